"""DuckDB sessions of assets, opened by `dagster_duckdb`."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from dagster_duckdb import DuckDBResource


class DagsterDuckDbSessions:
    """The sessions that cardops.bootstrap.Adapters hands to its adapters in assets.

    Where the marts are, the settings say when a run starts, so a DuckDBResource is made for each
    session instead of one with a fixed file.
    """

    def in_memory(self) -> AbstractContextManager[Any]:
        """A session without a file of its own, for queries over Parquet."""
        return DuckDBResource(database=":memory:").get_connection()

    def read_only(self, file: Path) -> AbstractContextManager[Any]:
        """A session that reads an existing DuckDB file."""
        read_only = {"access_mode": "READ_ONLY"}
        return DuckDBResource(database=str(file), connection_config=read_only).get_connection()
