"""What a build made: the rows of its tables and views and the types of its columns, read when dbt is done."""

from contextlib import suppress
from typing import Final

import duckdb

from cardops.rules.reports import BuiltTable

_COLUMNS: Final = """
select table_name, column_name, data_type
from information_schema.columns
where table_schema in ('seeds', 'staging', 'intermediate', 'marts')
order by table_schema, table_name, ordinal_position
"""
_TABLES: Final = """
select table_name, table_schema || '.' || table_name
from information_schema.tables
where table_schema in ('seeds', 'staging', 'intermediate', 'marts')
"""
# A view with one row for each of a lake table, which is counted in its place: to count the view would be to
# look up every text of ten million rows, 10 CPU seconds of 16 for all views together.
_COUNTED_IN: Final = {"stg_lake__transactions": "read_parquet('transactions/*/*/*.parquet')"}


def built_tables(session: duckdb.DuckDBPyConnection) -> dict[str, BuiltTable]:
    """Every table and view by name. The session finds the lake's tables by its search path."""
    counts = _row_counts(session)
    types: dict[str, dict[str, str]] = {}
    for table, column, column_type in session.execute(_COLUMNS).fetchall():
        types.setdefault(table, {})[column] = column_type
    return {name: BuiltTable(counts.get(name), columns) for name, columns in types.items()}


def _row_counts(session: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """None of a view that cannot be read: what it reads may be of a build that failed halfway."""
    counts: dict[str, int] = {}
    for name, relation in session.execute(_TABLES).fetchall():
        counted = _COUNTED_IN.get(name, relation)
        with suppress(duckdb.Error):
            # dbt names tables after its models, whose names are identifiers.
            ((counts[name],),) = session.execute(f"select count(*) from {counted}").fetchall()  # noqa: S608 - names from the catalog
    return counts
