"""The lake and the published marts as tables of Apache Iceberg, for Athena, Trino, Spark and others.

Belongs here: which tables there are and which files each has now. How a table is brought to its
files is in iceberg_tables.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from typing_extensions import override

from cardops.adapters.file_locks import exclusive_lock
from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.adapters.warehouse.iceberg_tables import (
    PARTITION,
    IcebergTables,
    ListedFile,
    TableChange,
    location_of,
    open_catalog,
)
from cardops.adapters.warehouse.publications import KEPT_PUBLICATIONS, Publications, published_files
from cardops.contracts.lake.tables import empty_frame, lake_tables
from cardops.ports import IcebergCatalog, ObjectStore

LAKE: Final = "lake"
MARTS: Final = "marts"
# Folder in a remote store of tables, for the marts: they are published on this machine's disk.
_PUBLISHED: Final = "published"


class IcebergRegister(IcebergCatalog):
    """The catalog of one instance, over its lake and its newest publication."""

    def __init__(
        self, database_url: str, store: ObjectStore, lake: ObjectStore, home: Path
    ) -> None:
        self._database_url, self._store, self._lake = database_url, store, lake
        self._publications = Publications(home / "published")
        self._lock = home / "iceberg.lock"

    @override
    def register(self) -> Mapping[str, tuple[int, int]]:
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(self._lock), open_catalog(self._database_url, self._store) as catalog:
            tables = IcebergTables(catalog, self._store)
            changes = {
                f"{namespace}.{name}": tables.set_files(namespace, name, columns, files)
                for namespace, name, columns, files in (*self._lake_tables(), *self._mart_tables())
            }
        self._delete_old_copies()
        return {name: _counts(change) for name, change in changes.items()}

    def _lake_tables(self) -> Iterator[tuple[str, str, pa.Schema, list[ListedFile]]]:
        for name in lake_tables():
            columns = empty_frame(name).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
            files = [
                ListedFile(
                    f"{location_of(self._lake)}/{stat.key}", stat.version, _date_in(stat.key)
                )
                for stat in self._lake.list_objects(f"{name}/")
                if stat.key.endswith(".parquet")
            ]
            yield LAKE, name, columns.append(pa.field(PARTITION, pa.date32())), files

    def _mart_tables(self) -> Iterator[tuple[str, str, pa.Schema, list[ListedFile]]]:
        folder = self._publications.file.resolve().parent
        published = published_files(folder) if self._publications.file.exists() else {}
        for name, files in published.items():
            # A published file is never rewritten, so its publication is its version.
            yield MARTS, name, pq.read_schema(files[0]), [
                ListedFile(self._reachable(folder, file), folder.name) for file in files
            ]  # fmt: skip

    def _reachable(self, folder: Path, parquet: Path) -> str:
        """Where readers find a published file: in place, or copied beside remote tables."""
        if isinstance(self._store, DirectoryStore):
            return f"file://{parquet.absolute()}"
        key = f"{_PUBLISHED}/{folder.name}/{parquet.relative_to(folder)}"
        if key not in {stat.key for stat in self._store.list_objects(key)}:
            self._store.replace(key, parquet)
        return f"{location_of(self._store)}/{key}"

    def _delete_old_copies(self) -> None:
        if isinstance(self._store, DirectoryStore):
            return
        keys = [stat.key for stat in self._store.list_objects(f"{_PUBLISHED}/")]
        newest = sorted({key.split("/")[1] for key in keys})[-KEPT_PUBLICATIONS:]
        for key in _of_other_folders(keys, newest):
            self._store.delete(key)


def _of_other_folders(keys: Sequence[str], folders: Sequence[str]) -> list[str]:
    return [key for key in keys if key.split("/")[1] not in folders]


def _date_in(key: str) -> date:
    """The business date of a key `<table>/business_date=D/<name>.parquet`."""
    return date.fromisoformat(key.split("/")[1].partition("=")[2])


def _counts(change: TableChange) -> tuple[int, int]:
    return change.added_count, change.dropped_count
