"""The lake: Parquet files by table and business date, in a directory or a bucket.

Belongs here: where a file lies and how it is written and scanned. What its columns are is in
cardops.contracts.lake.tables.
"""

import io
import json
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from typing_extensions import override

from cardops.adapters.aws.environment import aws_endpoint, aws_region
from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.contracts.lake.tables import columns_of
from cardops.ports import Lake, ObjectStore
from cardops.rules.intake.objects import ObjectMissingError, ObjectStat

HIVE_SCHEMA: Final = {"business_date": pl.Date}
COMPRESSION: Final = "zstd"
FETCHED_AT_ONCE: Final = 8
# File in a mirror that lists the versions it has.
MANIFEST: Final = ".versions.json"


class ParquetLake(Lake):
    """Over any object store; a remote one is mirrored under `mirror` for readers of files."""

    def __init__(self, store: ObjectStore, mirror: Path) -> None:
        self._store = store
        self._mirror = mirror

    @override
    def write(self, table: str, business_date: date, name: str, frame: pl.DataFrame) -> str:
        with tempfile.TemporaryDirectory(prefix="cardops-lake-") as folder:
            parquet = Path(folder) / f"{name}.parquet"
            frame.write_parquet(parquet, compression=COMPRESSION)
            return self.write_file(table, business_date, name, parquet)

    @override
    def write_file(self, table: str, business_date: date, name: str, parquet: Path) -> str:
        key = f"{_folder(table, business_date)}{name}.parquet"
        self._store.replace(key, parquet)
        return self._store.uri(key)

    @override
    def replace_rows(
        self, table: str, business_date: date, name: str, intake_id: int, parquet: Path
    ) -> str:
        key = f"{_folder(table, business_date)}{name}.parquet"
        try:
            stored = pq.read_table(io.BytesIO(self._store.get(key)))
        except ObjectMissingError:
            return self.write_file(table, business_date, name, parquet)
        own = pq.read_table(parquet)
        others = stored.filter(pc.field("intake_id") != intake_id)
        # A column that the table got since is null in rows that were written before.
        together = pa.concat_tables([own, others], promote_options="default")
        with tempfile.TemporaryDirectory(prefix="cardops-lake-") as folder:
            path = Path(folder) / f"{name}.parquet"
            schema = together.schema.with_metadata(own.schema.metadata)
            pq.write_table(together.cast(schema), path, compression=COMPRESSION)
            self._store.replace(key, path)
        return self._store.uri(key)

    @override
    def delete(self, table: str, business_date: date, name: str) -> None:
        self._store.delete(f"{_folder(table, business_date)}{name}.parquet")

    @override
    def names(self, table: str, business_date: date) -> Sequence[str]:
        return [
            PurePosixPath(stat.key).name.removesuffix(".parquet")
            for stat in self._files(table, [business_date])
        ]

    @override
    def scan(self, table: str, business_dates: Sequence[date] | None = None) -> pl.LazyFrame | None:
        found = self._files(table, business_dates)
        if not found:
            return None
        return pl.scan_parquet(
            [self._store.uri(stat.key) for stat in found],
            hive_partitioning=True,
            hive_schema=HIVE_SCHEMA,
            glob=False,
            # Files written before a table got a column have nulls there.
            schema=columns_of(table),
            missing_columns="insert",
            extra_columns="ignore",
            storage_options=self._storage_options(),
        )

    @override
    def business_dates(self, table: str) -> Sequence[date]:
        folders = {stat.key.split("/")[1] for stat in self._files(table, None)}
        prefix = "business_date="
        return sorted(
            date.fromisoformat(folder.removeprefix(prefix))
            for folder in folders
            if folder.startswith(prefix)
        )

    @override
    def local_path(self, table: str) -> Path:
        if isinstance(self._store, DirectoryStore):
            folder = self._store.root / table
            folder.mkdir(parents=True, exist_ok=True)
            return folder
        return self._mirrored(table)

    def _files(self, table: str, business_dates: Sequence[date] | None) -> list[ObjectStat]:
        prefixes = (
            [f"{table}/"]
            if business_dates is None
            else [_folder(table, day) for day in sorted(set(business_dates))]
        )
        return [
            stat
            for prefix in prefixes
            for stat in self._store.list_objects(prefix)
            if stat.key.endswith(".parquet")
        ]

    def _storage_options(self) -> dict[str, str] | None:
        if not self._store.url.startswith("s3:"):
            return None
        endpoint = aws_endpoint()
        options = {"aws_region": aws_region()}
        if endpoint:
            options |= {"aws_endpoint_url": endpoint, "aws_allow_http": "true"}
        return options

    def _mirrored(self, table: str) -> Path:
        """The table's folder, with exactly the files that are now in the bucket."""
        mirror = DirectoryStore(self._mirror)
        manifest = f"{table}/{MANIFEST}"
        mirrored = _read_versions(self._mirror / manifest)
        current = {stat.key: stat.version for stat in self._files(table, None)}
        for key in mirrored.keys() - current.keys():
            mirror.delete(key)
        missing = [
            key
            for key, version in current.items()
            if mirrored.get(key) != version or not (self._mirror / key).exists()
        ]
        # A lake is many small files, and each costs a round trip.
        with ThreadPoolExecutor(FETCHED_AT_ONCE) as pool:
            list(pool.map(lambda key: mirror.replace(key, self._store.get(key)), missing))
        mirror.replace(manifest, json.dumps(current).encode())
        return self._mirror / table


def _folder(table: str, business_date: date) -> str:
    return f"{table}/business_date={business_date.isoformat()}/"


def _read_versions(manifest: Path) -> Mapping[str, str]:
    try:
        versions: dict[str, str] = json.loads(manifest.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return versions
