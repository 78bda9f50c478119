"""Files: object stores, and the lake of Parquet files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cardops.rules.intake.objects import ObjectPage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from pathlib import Path
    from typing import BinaryIO

    import polars as pl

    from cardops.rules.intake.objects import LeftOut, ObjectStat


class ObjectListing(Protocol):
    """The names in one bucket or directory."""

    url: str

    def list_objects(self, prefix: str) -> Sequence[ObjectStat]:
        """Every object whose key begins with the prefix, in key order."""

    def list_readable(self, prefix: str) -> tuple[Sequence[ObjectStat], Sequence[LeftOut]]:
        """The same, but for what cannot be looked into; and what else lies there that is no object."""
        return self.list_objects(prefix), ()

    def list_page(self, prefix: str, after: str, limit: int) -> ObjectPage:
        """At most `limit` of them, of those whose keys come after this one: one request of a bucket."""
        later = [stat for stat in self.list_objects(prefix) if stat.key > after]
        page = tuple(later[:limit])
        return ObjectPage(page, page[-1].key if len(later) > limit else None)

    def find(self, key: str) -> ObjectStat | None:
        """The object under this key, or None where there is none."""

    def has_writer(self, key: str) -> bool | None:
        """Whether a program has the object open for writing; None where nobody can tell."""
        return False


class ObjectStore(ObjectListing, Protocol):
    """One bucket or directory, addressed by keys with `/`."""

    def list_folder(self, folder: str) -> tuple[Sequence[ObjectStat], Sequence[str]]:
        """Objects that lie in a folder itself, and the names of its folders, both in key order.

        A folder's name ends with `/`; that of the root is empty.
        """

    def left_out(self, folder: str) -> Sequence[LeftOut]:
        """What lies in a folder itself and is neither an object nor a folder."""
        return ()

    def open(self, key: str) -> BinaryIO:
        """A readable, seekable stream. Raises ObjectMissingError."""

    def get(self, key: str) -> bytes:
        """The whole object. Raises ObjectMissingError."""

    def create(self, key: str, content: bytes | Path) -> None:
        """Put a new object, whole or not at all. Raises ObjectExistsError, never overwrites."""

    def replace(self, key: str, content: bytes | Path) -> None:
        """Put an object, whole or not at all, over any earlier one."""

    def delete(self, key: str) -> None:
        """Remove an object; a missing one is no error."""

    def uri(self, key: str) -> str:
        """Where a person or another program finds it: a path, or `s3://bucket/key`."""


class Lake(Protocol):
    """History as Parquet: `<table>/business_date=D/<name>.parquet`, one writer a file."""

    def write(self, table: str, business_date: date, name: str, frame: pl.DataFrame) -> str:
        """Replace that one file, whole; an empty frame is written too. Returns its URI."""

    def write_file(self, table: str, business_date: date, name: str, parquet: Path) -> str:
        """The same for a Parquet file that was built on disk, for what does not fit in memory."""

    def replace_rows(
        self, table: str, business_date: date, name: str, intake_id: int, parquet: Path
    ) -> str:
        """Replace the rows of one intake file in a file that has those of others too, whole.

        A missing file is made. Only one writer at a time.
        """

    def delete(self, table: str, business_date: date, name: str) -> None:
        """Remove that one file; a missing one is no error."""

    def names(self, table: str, business_date: date) -> Sequence[str]:
        """Of the table's files of that date, also of those without rows."""

    def scan(self, table: str, business_dates: Sequence[date] | None = None) -> pl.LazyFrame | None:
        """All rows of the table (with `business_date`), or None where it has no file yet."""

    def business_dates(self, table: str) -> Sequence[date]:
        """The dates for which the table has files, oldest first."""

    def local_path(self, table: str) -> Path:
        """The table's folder on this machine's disk; a remote lake is mirrored there first."""
