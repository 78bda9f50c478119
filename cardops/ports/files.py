"""Objects, the lake, and the warehouse that readers ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import date, datetime
    from pathlib import Path
    from typing import BinaryIO

    import duckdb
    import polars as pl

    from cardops.rules.intake.arrivals import ArrivalPoll
    from cardops.rules.intake.files import (
        Kind,
    )
    from cardops.rules.intake.objects import ObjectStat


class Clock(Protocol):
    """The time of day, handed in so that no rule reads it."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""


class ObjectStore(Protocol):
    """One bucket or directory, addressed by keys with `/`."""

    url: str

    def list_objects(self, prefix: str) -> Sequence[ObjectStat]:
        """Every object whose key begins with the prefix, in key order."""

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


class Arrivals(Protocol):
    """New files under `incoming/`, whether found by listing or told of by events."""

    def look(self, kind: Kind, seen_before: Mapping[str, str]) -> ArrivalPoll:
        """Files of the kind that are complete and not claimed yet, a bounded number."""

    def forget(self, look: ArrivalPoll) -> None:
        """Everything in `ready` is claimed: its events need not be told again."""


class Lake(Protocol):
    """History as Parquet: `<table>/business_date=D/<name>.parquet`, one writer a file."""

    def write(self, table: str, business_date: date, name: str, frame: pl.DataFrame) -> str:
        """Replace that one file, whole; an empty frame is written too. Returns its URI."""

    def write_file(self, table: str, business_date: date, name: str, parquet: Path) -> str:
        """The same for a Parquet file that was built on disk, for what does not fit in memory."""

    def scan(self, table: str, business_dates: Sequence[date] | None = None) -> pl.LazyFrame | None:
        """All rows of the table (with `business_date`), or None where it has no file yet."""

    def local_path(self, table: str) -> Path:
        """The table's folder on this machine's disk; a remote lake is mirrored there first."""


class Publication(Protocol):
    """What one publication made available to analysts."""

    @property
    def path(self) -> Path:
        """The file of views."""

    @property
    def row_counts(self) -> Mapping[str, int]:
        """The rows of each mart."""


class Warehouse(Protocol):
    """The DuckDB file that dbt builds from the lake, and what is published of it."""

    @property
    def target_path(self) -> Path:
        """Where dbt leaves what it compiled and its results."""

    @property
    def reports(self) -> Path:
        """The folder of the daily reports."""

    def building(self, lake: Lake) -> AbstractContextManager[Mapping[str, str]]:
        """Alone until the block ends; the environment that tells dbt what to build."""

    def reading(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """The built marts, read-only, while nobody builds. Raises NothingBuiltError."""

    def publish(self) -> Publication:
        """Every mart as Parquet, and the file of views swapped to it in one step."""
