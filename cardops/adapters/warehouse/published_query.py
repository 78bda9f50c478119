"""Queries to the published marts, as `cardops sql` runs them: read-only, and nothing but the marts.

Belongs here: what a query may do, how long, and what is said when it fails. How its result is
printed is the command's business.
"""

import difflib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb
import pyarrow as pa

from cardops.adapters.warehouse.duckdb_warehouse import open_published
from cardops.adapters.warehouse.interrupts import interrupted_by_ctrl_c
from cardops.rules.errors import ExplainedError

BATCH_ROWS: Final = 10_000
_EXPLAIN: Final = re.compile(r"\s*explain\s+(?:analyze\s+)?", re.IGNORECASE)
_NO_TABLE: Final = re.compile(r"Table with name (.+?) does not exist")


class MartsQueryError(ExplainedError):
    """DuckDB refused, failed or stopped the query; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class MartColumn:
    """A column of a mart, with its type in DuckDB's words."""

    name: str
    type: str
    description: str


@dataclass(frozen=True, slots=True)
class Mart:
    """A published mart."""

    name: str
    description: str
    row_count: int
    columns: list[MartColumn]


class QueryResult:
    """The rows of one query, in batches, so that a result may be larger than the memory."""

    def __init__(self, result: duckdb.DuckDBPyConnection) -> None:
        self._result = result
        self.columns = [str(column[0]) for column in result.description or []]

    def batches(self) -> Iterator[list[tuple[Any, ...]]]:
        """The rows as Python values."""
        while rows := self._result.fetchmany(BATCH_ROWS):
            yield rows


class PublishedMarts:
    """One session on one publication: whatever is published meanwhile, it sees the same rows."""

    def __init__(self, session: duckdb.DuckDBPyConnection) -> None:
        self._session = session

    def run(self, query: str) -> QueryResult:
        """Run one SELECT. Raises MartsQueryError."""
        self._refuse_all_but_select(query)
        return QueryResult(self._session.execute(query))

    def run_for_arrow(self, query: str) -> pa.RecordBatchReader:
        """Run one SELECT, for its rows with their types. Raises MartsQueryError."""
        self._refuse_all_but_select(query)
        return self._session.sql(query).to_arrow_reader(BATCH_ROWS)

    def marts(self) -> list[Mart]:
        """Every mart with its columns, as dbt describes them."""
        views = self._session.execute(
            "select view_name, coalesce(comment, '') from duckdb_views() "
            "where schema_name = 'main' and not internal order by view_name"
        ).fetchall()
        columns: dict[str, list[MartColumn]] = {name: [] for name, _ in views}
        for name, *column in self._session.execute(
            "select table_name, column_name, data_type, coalesce(comment, '') from duckdb_columns() "
            "where schema_name = 'main' and not internal order by table_name, column_index"
        ).fetchall():
            columns[name].append(MartColumn(*column))
        return [Mart(name, text, self._row_count(name), columns[name]) for name, text in views]

    def _row_count(self, name: str) -> int:
        counted = self._session.execute(f'select count(*) from "{name}"').fetchone()  # noqa: S608 - a view's name
        return int(counted[0]) if counted else 0

    def _refuse_all_but_select(self, query: str) -> None:
        # A read-only session still writes files with COPY, and where it may read it may write.
        statements = self._session.extract_statements(_EXPLAIN.sub("", query, count=1))
        if len(statements) != 1:
            raise MartsQueryError(
                f"The query has {len(statements)} statements, and one is run at a time; pass one "
                "SELECT."
            )
        if statements[0].type == duckdb.StatementType.MULTI:
            raise MartsQueryError(
                "The query failed: PIVOT finds its columns with statements of its own here; name "
                "them: pivot … on column in ('a', 'b') using …."
            )
        if statements[0].type != duckdb.StatementType.SELECT:
            raise MartsQueryError(
                f"The query failed: {statements[0].type.name} is not allowed, because the marts are "
                "read-only; pass a SELECT."
            )


@contextmanager
def published_marts(home: Path, timeout_seconds: float) -> Iterator[PublishedMarts]:
    """A session for queries, stopped after that time.

    Raises NothingBuiltError, and MartsQueryError for what DuckDB refuses or fails in the block. A Ctrl-C
    ends a query at once, as MartsQueryError.
    """
    with TemporaryDirectory(prefix="cardops-sql-") as spill, open_published(home, spill) as session:
        pressed = threading.Event()
        try:
            with (
                interrupted_by_ctrl_c(session, pressed),
                _explained(session, timeout_seconds),
            ):
                yield PublishedMarts(session)
        except MartsQueryError:
            if not pressed.is_set():
                raise
            raise MartsQueryError("The query was interrupted; nothing is left of it.") from None


@contextmanager
def _explained(session: duckdb.DuckDBPyConnection, timeout_seconds: float) -> Iterator[None]:
    """End the block after that time, and raise MartsQueryError for what DuckDB raises in it."""
    has_timed_out = threading.Event()

    def stop() -> None:
        has_timed_out.set()
        session.interrupt()

    timer = threading.Timer(timeout_seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    except duckdb.Error as error:
        if has_timed_out.is_set():
            raise MartsQueryError(
                f"The query was stopped after {timeout_seconds:g} seconds; narrow it, or allow "
                "more with --timeout."
            ) from None
        raise MartsQueryError(_sentence(error, session)) from None
    finally:
        timer.cancel()


def _sentence(error: duckdb.Error, session: duckdb.DuckDBPyConnection) -> str:
    """DuckDB's error on one line; for an unknown table, the marts that there are."""
    message = " ".join(str(error).split())
    unknown = _NO_TABLE.search(message)
    if unknown is None:
        return f"The query failed: {message}"
    marts = sorted(mart.name for mart in PublishedMarts(session).marts())
    near = difflib.get_close_matches(unknown[1].lower(), marts, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return (
        f"The query failed: there is no mart {unknown[1]}.{hint} There are: {', '.join(marts)}. "
        "cardops sql --tables describes them."
    )
