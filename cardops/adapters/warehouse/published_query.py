"""One query to the published marts, as `cardops sql` runs it."""

from pathlib import Path
from typing import Any

import duckdb

from cardops.adapters.warehouse.duckdb_warehouse import open_published
from cardops.rules.errors import ExplainedError


class MartsQueryError(ExplainedError):
    """DuckDB refused or failed the query; the message quotes its error."""


def query_published(
    home: Path, query: str, max_rows: int
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of the last statement. Raises MartsQueryError, NothingBuiltError."""
    with open_published(home) as session:
        try:
            result = session.execute(query)
            columns = [column[0] for column in result.description or []]
            return columns, result.fetchmany(max_rows)
        except duckdb.Error as error:
            raise MartsQueryError(f"The query failed: {' '.join(str(error).split())}") from None
