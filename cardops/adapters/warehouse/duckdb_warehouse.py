"""The DuckDB file that dbt builds from the lake, and what is published of it.

A DuckDB file admits one writer or many readers. So dbt builds in a file of its own, and analysts
get Parquet and a read-only file of views over it, which is swapped in one step (publications.py).
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Final

import duckdb
from typing_extensions import override

from cardops.adapters.file_locks import exclusive_lock
from cardops.adapters.warehouse.build_records import PARTITION, start_build
from cardops.adapters.warehouse.built_tables import built_tables
from cardops.adapters.warehouse.column_lineage import column_lineage
from cardops.adapters.warehouse.dbt import PROJECT_DIR
from cardops.adapters.warehouse.dbt_descriptions import described_models
from cardops.adapters.warehouse.dbt_process import PARSED_PROJECT, is_newer
from cardops.adapters.warehouse.publications import (
    MARTS_SCHEMA,
    MartContent,
    Publications,
    quoted,
    write_contents,
    write_views,
)
from cardops.adapters.warehouse.sessions import DuckDbSessions, PlainDuckDbSessions
from cardops.contracts.lake.tables import empty_frame, lake_tables
from cardops.ports import Lake, Warehouse
from cardops.rules.reports import (
    BuildFailedError,
    BuildFailures,
    BuiltTable,
    ColumnLineage,
    NothingBuiltError,
    SourceTest,
)

# The folder of the file without rows; no row has this business date.
_SHAPE: Final = "shape/business_date=1970-01-01"


@dataclass(frozen=True, slots=True)
class Publication:
    """What one publication made available: the file of views, and the rows of each mart."""

    path: Path
    row_counts: Mapping[str, int]


class DuckDbWarehouse(Warehouse):
    """The warehouse under one home. One process at a time builds, publishes or reads."""

    def __init__(
        self, home: Path, sessions: DuckDbSessions | None = None, until: date | None = None
    ) -> None:
        """`until`: this one knows the lake's rows of business dates up to it, in a file of its own."""
        self._folder = home / "analytics" if until is None else home / "analytics" / "past"
        self._home, self._until = home, until
        self._publications = Publications(home / "published")
        self._sessions = sessions or PlainDuckDbSessions()

    @property
    def _failures(self) -> Path:
        """Beside the file that dbt wrote, and of the same build."""
        return self._folder / "failures.json"

    @property
    def _source_tests(self) -> Path:
        return self._folder / "source_tests.json"

    @property
    def build_file(self) -> Path:
        """The file that dbt writes. Analysts never open it."""
        return self._folder / "build.duckdb"

    @property
    @override
    def target_path(self) -> Path:
        return self._folder / "target"

    @override
    @contextmanager
    def building(self, lake: Lake) -> Iterator[Mapping[str, str]]:
        with self._exclusively():
            yield self._start_build(lake)

    @override
    def record_failures(self, failures: BuildFailures) -> None:
        self._failures.write_text(json.dumps(asdict(failures)))

    def failures(self) -> BuildFailures:
        """What failed in the newest build."""
        if not self._failures.exists():
            return BuildFailures()
        return BuildFailures(**json.loads(self._failures.read_text()))

    @override
    def built_tables(self) -> Mapping[str, BuiltTable]:
        with closing(duckdb.connect(str(self.build_file), read_only=True)) as session:
            return built_tables(session)

    @override
    def column_lineage(self, tables: Mapping[str, BuiltTable]) -> ColumnLineage:
        columns = {name: list(table.column_types) for name, table in tables.items()}
        return column_lineage(self.target_path, columns)

    @override
    def record_source_tests(self, results: Sequence[SourceTest]) -> None:
        self._source_tests.write_text(json.dumps([asdict(result) for result in results]))

    @override
    def source_tests(self) -> Sequence[SourceTest]:
        if not self._source_tests.exists():
            return []
        return [SourceTest(**result) for result in json.loads(self._source_tests.read_text())]

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The built marts, read-only, while nobody builds. Raises NothingBuiltError."""
        with self._exclusively():
            if not self.build_file.exists():
                raise NothingBuiltError(
                    "No marts were built yet; materialize them first (cardops report does)."
                )
            with self._opened() as session:
                yield session

    @contextmanager
    def rebuilt_until(
        self, until: date, lake: Lake, build: Callable[[Mapping[str, str]], None]
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """The marts of the lake's rows of business dates up to this one, built by `build`.

        They are in a file of their own, which a build brings to its date: it costs the rows between
        the date and that of the build before, later or earlier. Nobody moves it while it is read.
        """
        past = DuckDbWarehouse(self._home, self._sessions, until)
        with past._exclusively():
            build(past._start_build(lake))
            with past._opened() as session:
                yield session

    @override
    def publish(self) -> Publication:
        # Under the build's lock to the end: of two publishers at once, the later one is swapped last.
        with self.reading() as session:
            if failures := self.failures():  # guard: failed-builds
                raise BuildFailedError(failures)
            with self._publications.new() as folder:
                contents = {
                    name: self._publish_mart(session, name, folder) for name in _marts(session)
                }
                write_contents(folder, contents)
                write_views(folder, described_models(self.target_path / "manifest.json"))
            self._publications.swap_to(folder)
        row_counts = {name: content.row_count for name, content in contents.items()}
        return Publication(self._publications.file, row_counts)

    def _publish_mart(
        self, session: duckdb.DuckDBPyConnection, name: str, folder: Path
    ) -> MartContent:
        fingerprint = _fingerprint(session, name)
        linked = self._publications.link_unchanged(folder, name, fingerprint)
        if linked is not None:
            return linked
        target = folder / f"{name}.parquet"
        row_count = _write_mart(session, name, target)
        return MartContent(fingerprint, row_count, target.stat().st_size)

    @contextmanager
    def _opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        # Closed here whatever opened it: a connection that lingers would keep dbt from writing.
        with self._sessions.read_only(self.build_file) as opened, closing(opened) as session:
            session.execute("set TimeZone = 'UTC'")
            session.execute(f"set search_path = '{MARTS_SCHEMA}'")
            yield session

    def _start_build(self, lake: Lake) -> dict[str, str]:
        tables = self._link_sources(lake)
        self._failures.unlink(missing_ok=True)
        self._take_parsed_project()
        return {
            **start_build(self.build_file, PROJECT_DIR, tables),
            "CARDOPS_SOURCES": str(self._folder / "sources"),
            "CARDOPS_BUILD_FILE": str(self.build_file),
            "DBT_TARGET_PATH": str(self.target_path),
            "DBT_LOG_PATH": str(self._folder / "logs"),
            # Every statement as JSON, which nobody reads: the console has results and errors.
            "DBT_LOG_LEVEL_FILE": "none",
        }

    def _exclusively(self) -> AbstractContextManager[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        return exclusive_lock(self._folder / "build.lock")

    def _take_parsed_project(self) -> None:
        """What set-up parsed, where it is newer than what the last build parsed."""
        parsed, own = (path / PARSED_PROJECT for path in (PROJECT_DIR / "target", self.target_path))
        if parsed.exists() and not (own.exists() and is_newer(own, parsed)):
            self.target_path.mkdir(exist_ok=True)
            shutil.copy(parsed, own)

    def _link_sources(self, lake: Lake) -> dict[str, Path]:
        """One folder a table: the lake's files, and one file without rows that has every column."""
        tables = {}
        for table in lake_tables():
            shape = self._folder / "sources" / table / _SHAPE
            shape.mkdir(parents=True, exist_ok=True)
            empty_frame(table).write_parquet(shape / "shape.parquet")
            link = self._folder / "sources" / table / "lake"
            tables[table] = lake.local_path(table).resolve()
            if self._until is not None:
                tables[table] = _link_dates(tables[table], link, self._until)
                continue
            link.unlink(missing_ok=True)
            link.symlink_to(tables[table])
        return tables


def _link_dates(table: Path, folder: Path, until: date) -> Path:
    """A folder with those of the table's business dates that are not after the date."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for day_folder in sorted(table.glob(f"{PARTITION}*")):
        if date.fromisoformat(day_folder.name.removeprefix(PARTITION)) <= until:
            (folder / day_folder.name).symlink_to(day_folder)
    return folder


def open_published(home: Path, spill: str = "") -> duckdb.DuckDBPyConnection:
    """The published views, read-only; SQL in this session reaches no other file.

    A query larger than the memory goes on in the folder `spill`, and without one it fails. Raises
    NothingBuiltError.
    """
    published = home / "published"
    path = Publications(published).file
    if not path.exists():
        raise NothingBuiltError(
            f"No marts are published under {published} yet; run cardops report --date D, "
            "which builds and publishes them."
        )
    session = duckdb.connect(str(path), read_only=True)
    session.execute("set TimeZone = 'UTC'")
    session.execute(f"set temp_directory = {quoted(spill)}")
    session.execute(f"set allowed_directories = [{quoted(str(published.absolute()))}]")
    session.execute("set enable_external_access = false")
    session.execute("set lock_configuration = true")
    return session


def _marts(session: duckdb.DuckDBPyConnection) -> list[str]:
    """The tables of the marts' schema, which dbt alone names."""
    rows = session.execute(
        "select table_name from information_schema.tables "
        "where table_schema = ? and table_type = 'BASE TABLE' order by table_name",
        [MARTS_SCHEMA],
    ).fetchall()
    return [name for (name,) in rows]


def _fingerprint(session: duckdb.DuckDBPyConnection, name: str) -> str:
    """Another one where a mart has other columns or other rows; their order does not count."""
    columns = session.execute(
        "select column_name, data_type from information_schema.columns "
        "where table_schema = ? and table_name = ? order by ordinal_position",
        [MARTS_SCHEMA, name],
    ).fetchall()
    summed = session.execute(
        "select count(*), coalesce(sum(hash(mart)), 0), coalesce(bit_xor(hash(mart)), 0) "  # noqa: S608 - dbt's own name
        f'from {MARTS_SCHEMA}."{name}" as mart'
    ).fetchone()
    # A newer DuckDB may hash otherwise.
    text = repr((duckdb.__version__, columns, summed))
    return hashlib.sha256(text.encode()).hexdigest()


def _write_mart(session: duckdb.DuckDBPyConnection, name: str, target: Path) -> int:
    counted = session.execute(
        f"copy {MARTS_SCHEMA}.{name} to {quoted(str(target.absolute()))} (format parquet, compression zstd)"
    ).fetchone()
    return int(counted[0]) if counted else 0
