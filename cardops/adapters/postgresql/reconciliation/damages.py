"""Damages planted in a copy of the store, in a transaction that is rolled back.

Belongs here: planting, and reading the books as the planting transaction sees them. The SQL of each
kind is in damages.sql, and never runs on a store in use.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, LiteralString, cast

import psycopg
from psycopg import sql
from typing_extensions import override

from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.intake.expected_files import PostgresExpectedFiles
from cardops.adapters.postgresql.reconciliation.books import PostgresBooks
from cardops.adapters.postgresql.reconciliation.transaction_log import (
    Exported,
    PostgresTransactionLog,
    write_day,
)
from cardops.ports import DayExport

_KIND: Final = re.compile(r"^-- damage: ([a-z_]+)$", re.MULTILINE)


class SessionLog(PostgresTransactionLog):
    """The transaction log as one open session sees it; nothing is recorded."""

    def __init__(self, url: str, session: psycopg.Connection) -> None:
        super().__init__(url)
        self._session = session

    @override
    def export(self, business_date: date, target: Path) -> DayExport:
        """Write the day; it counts as closed, because nothing else writes to a copy."""
        row_count, content_sha256 = write_day(self._session, business_date, target)
        return Exported(
            row_count, None, is_closed=True, content_sha256=content_sha256,
            exported_at=datetime.now(UTC),
        )  # fmt: skip


class SessionExpectedFiles(PostgresExpectedFiles):
    """The calendar of expected files as one open session sees it."""

    def __init__(self, url: str, session: psycopg.Connection) -> None:
        super().__init__(url)
        self._session = session

    @override
    def _rows(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        return self._session.execute(query, values).fetchall()


@dataclass(frozen=True, slots=True)
class PostgresDamages:
    """Implements cardops.ports.StoreDamages on the database of a copy."""

    url: str

    @contextmanager
    def planted(
        self, kind: str
    ) -> Iterator[tuple[PostgresBooks, PostgresTransactionLog, PostgresExpectedFiles]]:
        """Books, log and calendar with this damage, if it is one of the store; rolled back at the end."""
        with connect(self.url, autocommit=False) as session:
            try:
                statements = damages().get(kind)
                if statements is not None:
                    session.execute(sql.SQL(statements))
                yield (
                    PostgresBooks(self.url, lambda: nullcontext(session)),
                    SessionLog(self.url, session),
                    SessionExpectedFiles(self.url, session),
                )
            finally:
                session.rollback()


@cache
def damages() -> Mapping[str, LiteralString]:
    """The SQL of each kind of damage that is planted in the store."""
    text = (files("cardops.adapters.postgresql.reconciliation") / "damages.sql").read_text("utf-8")
    _, *parts = _KIND.split(text)
    # A file of the package, as literal as a text in a module.
    return {
        kind: cast("LiteralString", part)
        for kind, part in zip(parts[::2], parts[1::2], strict=True)
    }
