"""Tables of Apache Iceberg over Parquet that is already there, in a catalog on PostgreSQL.

Belongs here: one table brought to exactly the files that it is given, in one commit, and what it no
longer needs removed. No row is copied: a table is metadata that lists files. Which tables there are is
in iceberg.py.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import ValidationError
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestFile
from pyiceberg.table import Table, TableProperties
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import _OverwriteFiles
from pyiceberg.typedef import Record
from typing_extensions import override

from cardops.adapters.aws.environment import aws_endpoint, aws_region
from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.ports import ObjectStore

CATALOG: Final = "cardops"
KEPT_SNAPSHOTS: Final = 3
# The version of each file when it was listed: a file that was rewritten keeps its name.
VERSIONS: Final = "cardops.file-versions"
# The columns as they were given, so that a change of them is noticed.
COLUMNS: Final = "cardops.columns"
PARTITION: Final = "business_date"
_EPOCH: Final = date(1970, 1, 1)
_PROPERTIES: Final = {
    "format-version": "2",
    TableProperties.METADATA_DELETE_AFTER_COMMIT_ENABLED: "true",
    TableProperties.METADATA_PREVIOUS_VERSIONS_MAX: str(KEPT_SNAPSHOTS),
    # Commits that only add files put them into one list in the end, not into one each.
    TableProperties.MANIFEST_MERGE_ENABLED: "true",
}


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A Parquet file of a table; its business date is in its folder's name, not in its rows."""

    location: str
    version: str
    business_date: date | None = None


@dataclass(frozen=True, slots=True)
class TableChange:
    """What one commit changed; a file that was rewritten counts on both sides."""

    added_count: int
    dropped_count: int


class IcebergTables:
    """The tables of one catalog, with their metadata in one object store. One process at a time writes."""

    def __init__(self, catalog: SqlCatalog, store: ObjectStore) -> None:
        self._catalog, self._store = catalog, store

    def set_files(
        self, namespace: str, name: str, columns: pa.Schema, files: Sequence[ListedFile]
    ) -> TableChange:
        """Bring the table to these columns and files; another call with the same changes nothing."""
        self._catalog.create_namespace_if_not_exists(namespace)
        table = self._with_columns(namespace, name, columns)
        change = _commit_files(table, files)
        _expire(table)
        self._delete_unreferenced(table, f"{namespace}/{name}/metadata/")
        return change

    def _with_columns(self, namespace: str, name: str, columns: pa.Schema) -> Table:
        identifier = (namespace, name)
        described = columns.to_string(show_schema_metadata=False)
        if not self._catalog.table_exists(identifier):
            return self._created(identifier, columns, described)
        table = self._catalog.load_table(identifier)
        if table.properties.get(COLUMNS) == described:
            return table
        try:
            _change_columns(table, columns, described)
        except (ValidationError, ValueError):
            # A type that became another one: the table is made again from its files.
            self._catalog.drop_table(identifier)
            return self._created(identifier, columns, described)
        return table

    def _created(self, identifier: tuple[str, str], columns: pa.Schema, described: str) -> Table:
        location = f"{location_of(self._store)}/{'/'.join(identifier)}"
        with self._catalog.create_table_transaction(
            identifier, columns, location, properties={**_PROPERTIES, COLUMNS: described}
        ) as change:
            if PARTITION in columns.names and identifier[0] == "lake":
                with change.update_spec() as spec:
                    spec.add_identity(PARTITION)
            mapping = change.table_metadata.schema().name_mapping.model_dump_json()
            # The files have no column ids: readers find the columns by name.
            change.set_properties({TableProperties.DEFAULT_NAME_MAPPING: mapping})
        return self._catalog.load_table(identifier)

    def _delete_unreferenced(self, table: Table, prefix: str) -> None:
        """Delete what expired snapshots leave, and what a process that was killed left."""
        metadata = table.metadata
        needed = {
            table.metadata_location,
            *(entry.metadata_file for entry in metadata.metadata_log),
        }
        for snapshot in metadata.snapshots:
            manifests = (manifest.manifest_path for manifest in snapshot.manifests(table.io))
            needed |= {snapshot.manifest_list, *manifests}
        names = {path.rpartition("/")[2] for path in needed}
        for stat in list(self._store.list_objects(prefix)):
            if stat.key.rpartition("/")[2] not in names:
                self._store.delete(stat.key)


@contextmanager
def open_catalog(database_url: str, store: ObjectStore) -> Iterator[SqlCatalog]:
    """The catalog in the schema that the URL's search_path names; its tables are made if missing."""
    url = database_url.partition("://")[2]
    catalog = SqlCatalog(
        CATALOG,
        uri=f"postgresql+psycopg://{url}",
        warehouse=location_of(store),
        **_io_properties(),
    )
    try:
        yield catalog
    finally:
        catalog.engine.dispose()


def location_of(store: ObjectStore) -> str:
    """The store as a URL without escapes, as Iceberg's readers take it."""
    return f"file://{store.root}" if isinstance(store, DirectoryStore) else store.url.rstrip("/")


def _io_properties() -> dict[str, str]:
    endpoint = aws_endpoint()
    properties = {
        "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
        "s3.region": aws_region(),
    }
    return properties | ({"s3.endpoint": endpoint} if endpoint else {})


def _change_columns(table: Table, columns: pa.Schema, described: str) -> None:
    gone = set(table.schema().column_names) - set(columns.names)
    with table.transaction() as change:
        with change.update_schema() as schema:
            schema.union_by_name(columns)
            for name in gone:
                schema.delete_column(name)
        change.set_properties({COLUMNS: described})


def _commit_files(table: Table, files: Sequence[ListedFile]) -> TableChange:
    """One snapshot that drops what is gone or was rewritten, and adds what is new or was rewritten."""
    wanted = {file.location: file for file in files}
    known: dict[str, str] = json.loads(table.properties.get(VERSIONS, "{}"))
    listed = _listed(table)
    same = {
        location
        for location, file in wanted.items()
        if location in listed and known.get(location) == file.version
    }
    added = [_data_file(table, wanted[location]) for location in wanted if location not in same]
    dropped = [data_file for location, data_file in listed.items() if location not in same]
    if not added and not dropped:
        return TableChange(0, 0)
    with table.transaction() as change:
        replaced = _Replacement(operation=Operation.OVERWRITE, transaction=change, io=table.io)
        with replaced if dropped else change.update_snapshot().merge_append() as snapshot:
            for data_file in dropped:
                snapshot.delete_data_file(data_file)
            for data_file in added:
                snapshot.append_data_file(data_file)
        versions = {location: file.version for location, file in wanted.items()}
        change.set_properties({VERSIONS: json.dumps(versions)})
    return TableChange(len(added), len(dropped))


class _Replacement(_OverwriteFiles):
    """Files dropped and added in one snapshot, without the lists in which no file is left.

    pyiceberg's own keeps those for ever: one more at every publication.
    """

    @override
    def _existing_manifests(self) -> list[ManifestFile]:
        manifests = super()._existing_manifests()
        return [
            manifest
            for manifest in manifests
            if manifest.has_added_files() or manifest.has_existing_files()
        ]


def _listed(table: Table) -> Mapping[str, DataFile]:
    """The files of the table's newest snapshot, by location."""
    snapshot = table.current_snapshot()
    return {
        entry.data_file.file_path: entry.data_file
        for manifest in (snapshot.manifests(table.io) if snapshot else [])
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    }


def _data_file(table: Table, file: ListedFile) -> DataFile:
    """What Iceberg keeps of a file: its rows, sizes, bounds, and its partition from the folder."""
    metadata, size = _footer(table.io, file.location)
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=metadata,
        stats_columns=compute_statistics_plan(table.schema(), table.properties),
        parquet_column_mapping=parquet_path_to_id_mapping(table.schema()),
    )
    has_partition = file.business_date is not None
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=file.location,
        file_format=FileFormat.PARQUET,
        partition=Record((file.business_date - _EPOCH).days) if has_partition else Record(),  # type: ignore[operator] # it has one
        file_size_in_bytes=size,
        sort_order_id=None,
        spec_id=table.metadata.default_spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )


def _footer(io: FileIO, location: str) -> tuple[Any, int]:
    source = io.new_input(location)
    with source.open() as stream:
        return pq.read_metadata(stream), len(source)


def _expire(table: Table) -> None:
    """Keep the newest snapshots: the files of older ones may be gone already."""
    snapshots = sorted(table.metadata.snapshots, key=lambda snapshot: snapshot.sequence_number or 0)
    old = [snapshot.snapshot_id for snapshot in snapshots[:-KEPT_SNAPSHOTS]]
    if old:
        table.maintenance.expire_snapshots().by_ids(old).commit()
