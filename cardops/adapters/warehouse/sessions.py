"""DuckDB sessions for processes without Dagster (whose own are in resources.duckdb_sessions)."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import duckdb
from typing_extensions import override

Session = AbstractContextManager[duckdb.DuckDBPyConnection]


class DuckDbSessions(Protocol):
    """Opens DuckDB sessions, each of which ends with its block."""

    def in_memory(self) -> Session:
        """A session without a file of its own, for queries over Parquet."""

    def read_only(self, file: Path) -> Session:
        """A session that reads an existing DuckDB file."""


class PlainDuckDbSessions(DuckDbSessions):
    """Sessions of the duckdb package itself."""

    @override
    def in_memory(self) -> Session:
        return duckdb.connect()

    @override
    def read_only(self, file: Path) -> Session:
        return duckdb.connect(str(file), read_only=True)
