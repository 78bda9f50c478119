"""Records every statement that adapters send, with the plan that the server runs for it.

Each statement is run twice: once under EXPLAIN ANALYZE and rolled back, then as it is. So the plan is
that of the very session, with its settings, its parameters and the rows as they are at that moment.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import adbc_driver_manager.dbapi as adbc
import asyncpg
import psycopg
import pytest
from psycopg import sql

EXPLAIN = "explain (analyze, buffers, timing off, format json) "
_EXPLAINABLE = re.compile(r"\s*(select|insert|update|delete|with)\b", re.IGNORECASE)
_COPY_OUT = re.compile(r"\s*copy \((.*)\) to stdout.*", re.DOTALL)
# Locks belong to the session, and would be taken twice.
_NOT_TWICE = "advisory"


@dataclass(frozen=True)
class Scan:
    """A plan node that reads a table: rows read (returned or discarded) and blocks, over all loops."""

    node: str
    table: str
    rows: int
    blocks: int
    loops: int


@dataclass(frozen=True)
class Recorded:
    """A statement as it was sent, and the scans of its plan."""

    text: str
    scans: tuple[Scan, ...]


@dataclass
class Recorder:
    """The statements of all sessions that were opened since."""

    statements: list[Recorded] = field(default_factory=list)

    def add(self, text: str, plan: Any) -> None:
        document = json.loads(plan) if isinstance(plan, str) else plan
        self.statements.append(Recorded(text, tuple(_scans(document[0]["Plan"]))))


def record_statements(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Record what all three drivers send until the test ends."""
    recorder = Recorder()
    _record_psycopg(monkeypatch, recorder)
    _record_asyncpg(monkeypatch, recorder)
    _record_adbc(monkeypatch, recorder)
    return recorder


def _record_psycopg(monkeypatch: pytest.MonkeyPatch, recorder: Recorder) -> None:
    execute, copy = psycopg.Cursor.execute, psycopg.Cursor.copy

    def explain(connection: psycopg.Connection, text: str, params: Any) -> None:
        if not _EXPLAINABLE.match(text) or _NOT_TWICE in text:
            recorder.statements.append(Recorded(text, ()))
            return
        with connection.transaction(force_rollback=True):
            cursor = psycopg.Cursor(connection)
            execute(cursor, (EXPLAIN + text).encode(), params)
            row = cursor.fetchone()
        assert row is not None
        recorder.add(text, row[0])

    def recorded_execute(cursor: Any, query: Any, params: Any = None, **more: Any) -> Any:
        explain(cursor.connection, _text(query, cursor.connection), params)
        return execute(cursor, query, params, **more)

    def recorded_copy(cursor: Any, statement: Any, params: Any = None, **more: Any) -> Any:
        text = _text(statement, cursor.connection)
        out = _COPY_OUT.match(text)
        explain(cursor.connection, out[1] if out else text, params)
        return copy(cursor, statement, params, **more)

    monkeypatch.setattr(psycopg.Cursor, "execute", recorded_execute)
    monkeypatch.setattr(psycopg.Cursor, "copy", recorded_copy)


def _record_asyncpg(monkeypatch: pytest.MonkeyPatch, recorder: Recorder) -> None:
    connection = asyncpg.connection.Connection
    execute = connection._execute

    async def recorded(
        session: Any, query: str, args: Any, limit: int, within: Any, **more: Any
    ) -> Any:
        if _EXPLAINABLE.match(query) and _NOT_TWICE not in query:
            values = ", ".join(sql.Literal(value).as_string(None) for value in args)
            begin, end = (
                ("savepoint explaining", "rollback to explaining")
                if session.is_in_transaction()
                else ("begin", "rollback")
            )
            await session.execute(begin)
            # Prepared, so that the session's plan_cache_mode applies as it does to its statements.
            await session.execute(f"prepare explained as {query}")
            parameters = f"({values})" if args else ""
            plan = await execute(session, f"{EXPLAIN}execute explained{parameters}", (), 0, within)
            await session.execute(end)
            await session.execute("deallocate explained")
            recorder.add(query, plan[0][0])
        return await execute(session, query, args, limit, within, **more)

    monkeypatch.setattr(connection, "_execute", recorded)


def _record_adbc(monkeypatch: pytest.MonkeyPatch, recorder: Recorder) -> None:
    execute = adbc.Cursor.execute

    def recorded(cursor: adbc.Cursor, query: str, **more: Any) -> Any:
        if _EXPLAINABLE.match(query):
            with cursor.connection.cursor() as explaining:
                # A plan cannot be copied.
                explaining.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
                execute(explaining, EXPLAIN + query)
                row = explaining.fetchone()
            assert row is not None
            recorder.add(query, row[0])
        return execute(cursor, query, **more)

    monkeypatch.setattr(adbc.Cursor, "execute", recorded)


def _text(query: Any, connection: psycopg.Connection) -> str:
    if isinstance(query, sql.Composable):
        return query.as_string(connection)
    return query.decode() if isinstance(query, bytes) else str(query)


def _scans(node: dict[str, Any]) -> Iterator[Scan]:
    children = node.get("Plans", ())
    if "Relation Name" in node and node["Node Type"] != "ModifyTable":
        loops = node["Actual Loops"]
        rows = node["Actual Rows"] + sum(
            node.get(f"Rows Removed by {reason}", 0) for reason in ("Filter", "Index Recheck")
        )
        blocks = node.get("Shared Hit Blocks", 0) + node.get("Shared Read Blocks", 0)
        blocks -= sum(
            child.get("Shared Hit Blocks", 0) + child.get("Shared Read Blocks", 0)
            for child in children
            if child["Node Type"] != "Bitmap Index Scan"
        )
        yield Scan(node["Node Type"], node["Relation Name"], round(rows * loops), blocks, loops)
    for child in children:
        yield from _scans(child)
