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
    FileContent,
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
# Of published rows without a date.
NO_MONTH: Final = "none"


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
    def _sources(self) -> Path:
        """The lake's tables as dbt reads them."""
        return self._folder / "sources"

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
        with self._opened() as session:
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
            models = described_models(self.target_path / "manifest.json")
            contents, row_counts = dict[str, FileContent](), dict[str, int]()
            with self._publications.new() as folder:
                for name in _marts(session):
                    date_of = models[name].published_by_month_of if name in models else None
                    files = self._publish_mart(session, name, date_of, folder)
                    contents |= files
                    row_counts[name] = sum(file.row_count for file in files.values())
                write_contents(folder, contents)
                write_views(folder, models)
            self._publications.swap_to(folder)
        return Publication(self._publications.file, row_counts)

    def _publish_mart(
        self,
        session: duckdb.DuckDBPyConnection,
        name: str,
        date_of: str | None,
        folder: Path,
    ) -> dict[str, FileContent]:
        """One file, or one for each month of the date; only those with other rows are written."""
        contents = {}
        for month, fingerprint in _fingerprints(session, name, date_of).items():
            part = f"{month:%Y-%m}" if month else NO_MONTH
            file = f"{name}.parquet" if date_of is None else f"{name}/{part}.parquet"
            linked = self._publications.link_unchanged(folder, file, fingerprint)
            if linked is None:
                target = folder / file
                target.parent.mkdir(exist_ok=True)
                row_count = _write_rows(session, _rows_of(name, date_of, month), target)
                linked = FileContent(fingerprint, row_count, target.stat().st_size)
            contents[file] = linked
        return contents

    @contextmanager
    def _opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        # Closed here whatever opened it: a connection that lingers would keep dbt from writing.
        with self._sessions.read_only(self.build_file) as opened, closing(opened) as session:
            session.execute("set TimeZone = 'UTC'")
            session.execute(f"set search_path = '{MARTS_SCHEMA}'")
            # Views of the lake name their files from here on.
            session.execute(f"set file_search_path = {quoted(str(self._sources))}")
            yield session

    def _start_build(self, lake: Lake) -> dict[str, str]:
        tables = self._link_sources(lake)
        self._failures.unlink(missing_ok=True)
        self._take_parsed_project()
        return {
            **start_build(self.build_file, PROJECT_DIR, tables),
            "CARDOPS_SOURCES": str(self._sources),
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
            shape = self._sources / table / _SHAPE
            shape.mkdir(parents=True, exist_ok=True)
            empty_frame(table).write_parquet(shape / "shape.parquet")
            link = self._sources / table / "lake"
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


def _fingerprints(
    session: duckdb.DuckDBPyConnection, name: str, date_of: str | None
) -> dict[date | None, str]:
    """By first day of the date's month: another one where its rows or the mart's columns are others.

    The order of rows does not count. A mart without a date, or without rows, has none.
    """
    columns = session.execute(
        "select column_name, data_type from information_schema.columns "
        "where table_schema = ? and table_name = ? order by ordinal_position",
        [MARTS_SCHEMA, name],
    ).fetchall()
    month = "null" if date_of is None else f"date_trunc('month', {date_of})"
    summed = session.execute(
        f"select {month}, count(*), sum(hash(mart)), bit_xor(hash(mart))"  # noqa: S608 - dbt's own names
        f' from {MARTS_SCHEMA}."{name}" as mart group by all order by all'
    ).fetchall()
    # A newer DuckDB may hash otherwise.
    return {
        month: hashlib.sha256(repr((duckdb.__version__, columns, sums)).encode()).hexdigest()
        for month, *sums in summed or [(None, 0)]
    }


def _write_rows(session: duckdb.DuckDBPyConnection, query: str, target: Path) -> int:
    counted = session.execute(
        f"copy ({query}) to {quoted(str(target.absolute()))} (format parquet, compression zstd)"
    ).fetchone()
    return int(counted[0]) if counted else 0


def _rows_of(name: str, date_of: str | None, month: date | None) -> str:
    rows = f'from {MARTS_SCHEMA}."{name}"'
    if date_of is None:
        return rows
    if month is None:
        return f"{rows} where {date_of} is null"
    # As a range, which passes over the rows of other months unread where they stand in order.
    first = f"date '{month}'"
    return f"{rows} where {date_of} >= {first} and {date_of} < {first} + interval 1 month"
