"""The DuckDB file that dbt builds from the lake, and what is published of it.

A DuckDB file admits one writer or many readers. So dbt builds in a file of its own, and analysts
get Parquet and a read-only file of views over it, which is swapped in one step. A reader that still
has the former file open continues on the former Parquet, which is kept for a while.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
from typing_extensions import override

from cardops.adapters.file_locks import exclusive_lock
from cardops.adapters.warehouse.sessions import DuckDbSessions, PlainDuckDbSessions
from cardops.contracts.lake.tables import empty_frame, lake_tables
from cardops.ports import Lake, Warehouse
from cardops.rules.reports import NothingBuiltError

MARTS_SCHEMA: Final = "marts"
PUBLISHED_FILE: Final = "cardops.duckdb"
# A reader may be this many publications behind before its Parquet is deleted.
KEPT_PUBLICATIONS: Final = 3
# The folder of the file without rows; no row has this business date.
_SHAPE: Final = "shape/business_date=1970-01-01"


@dataclass(frozen=True, slots=True)
class Publication:
    """What one publication made available: the file of views, and the rows of each mart."""

    path: Path
    row_counts: Mapping[str, int]


class DuckDbWarehouse(Warehouse):
    """The warehouse under one home. One process at a time builds, publishes or reads."""

    def __init__(self, home: Path, sessions: DuckDbSessions | None = None) -> None:
        self._folder = home / "analytics"
        self._published = home / "published"
        self._sessions = sessions or PlainDuckDbSessions()

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
            self._link_sources(lake)
            yield {
                "CARDOPS_SOURCES": str(self._folder / "sources"),
                "CARDOPS_BUILD_FILE": str(self.build_file),
                "DBT_TARGET_PATH": str(self.target_path),
                "DBT_LOG_PATH": str(self._folder / "logs"),
                # Every statement as JSON, which nobody reads: the console has results and errors.
                "DBT_LOG_LEVEL_FILE": "none",
            }

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The built marts, read-only, while nobody builds. Raises NothingBuiltError."""
        with self._exclusively():
            if not self.build_file.exists():
                raise NothingBuiltError(
                    "No marts were built yet; materialize them first (cardops report does)."
                )
            # Closed here whatever opened it: a connection that lingers would keep dbt from writing.
            with self._sessions.read_only(self.build_file) as opened, closing(opened) as session:
                session.execute("set TimeZone = 'UTC'")
                session.execute(f"set search_path = '{MARTS_SCHEMA}'")
                yield session

    @override
    def publish(self) -> Publication:
        with self.reading() as session:
            version = self._published / f"{self._last_version() + 1:08d}"
            version.mkdir(parents=True)
            row_counts = {name: _write_mart(session, name, version) for name in _marts(session)}
        staged = _write_views(version, row_counts)
        published = self._published / PUBLISHED_FILE
        staged.replace(published)
        self._delete_old_versions()
        return Publication(published, row_counts)

    def _exclusively(self) -> AbstractContextManager[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        return exclusive_lock(self._folder / "build.lock")

    def _link_sources(self, lake: Lake) -> None:
        """One folder a table: the lake's files, and one file without rows that has every column."""
        for table in lake_tables():
            shape = self._folder / "sources" / table / _SHAPE
            shape.mkdir(parents=True, exist_ok=True)
            empty_frame(table).write_parquet(shape / "shape.parquet")
            link = self._folder / "sources" / table / "lake"
            link.unlink(missing_ok=True)
            link.symlink_to(lake.local_path(table).resolve())

    def _versions(self) -> list[Path]:
        return sorted(path for path in self._published.glob("[0-9]*") if path.is_dir())

    def _last_version(self) -> int:
        versions = self._versions()
        return int(versions[-1].name) if versions else 0

    def _delete_old_versions(self) -> None:
        for version in self._versions()[:-KEPT_PUBLICATIONS]:
            shutil.rmtree(version)


def open_published(home: Path) -> duckdb.DuckDBPyConnection:
    """The published views, read-only; SQL in this session reaches no other file.

    Raises NothingBuiltError.
    """
    published = home / "published"
    path = published / PUBLISHED_FILE
    if not path.exists():
        raise NothingBuiltError(
            f"No marts are published under {published} yet; run cardops report --date D, "
            "which builds and publishes them."
        )
    session = duckdb.connect(str(path), read_only=True)
    session.execute("set TimeZone = 'UTC'")
    session.execute(f"set allowed_directories = ['{_quoted(published)}']")
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


def _write_mart(session: duckdb.DuckDBPyConnection, name: str, version: Path) -> int:
    target = version / f"{name}.parquet"
    counted = session.execute(
        f"copy {MARTS_SCHEMA}.{name} to '{_quoted(target)}' (format parquet, compression zstd)"
    ).fetchone()
    return int(counted[0]) if counted else 0


def _write_views(version: Path, names: Mapping[str, int]) -> Path:
    """A new DuckDB file with one view a mart, closed, so that it is one file without a log."""
    staged = version / PUBLISHED_FILE
    with duckdb.connect(str(staged)) as session:
        for name in names:
            source = _quoted(version / f"{name}.parquet")
            session.execute(f"create view {name} as select * from read_parquet('{source}')")  # noqa: S608 - names are dbt's own
    staged.chmod(0o444)
    return staged


def _quoted(path: Path) -> str:
    """The path for a SQL literal; DuckDB takes no parameters there."""
    return str(path.absolute()).replace("'", "''")
