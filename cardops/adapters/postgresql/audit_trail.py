"""The audit trail on PostgreSQL: one row before a change, one after it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, LiteralString

import psycopg

from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.rules.audit import (
    MAX_DETAIL_CHARACTERS,
    MAX_SUBJECT_CHARACTERS,
    AuditEntry,
    AuditRecord,
    AuditResult,
    AuditUnavailableError,
    Origin,
    cut,
)
from cardops.rules.errors import ExplainedError

_BEGIN: Final = (
    "insert into audit_entries (origin, actor, via, action, subject) values (%s, %s, %s, %s, %s)"
    " returning entry_id"
)
# Said twice where the answer to the first was lost.
_FINISH: Final = (
    "insert into audit_results (entry_id, result, detail) values (%s, %s, %s)"
    " on conflict (entry_id) do nothing"
)
# The result of each listed entry is looked up; a join would read those of all.
_SELECT: LiteralString = (
    "select entry_id, at, origin, actor, via, action, subject,"
    " (select array[result, detail] from audit_results where entry_id = audit_entries.entry_id)"
    " from audit_entries"
)
_NEWEST: LiteralString = "order by at desc, entry_id desc limit %s"


class PostgresAuditTrail:
    """Implements cardops.ports.AuditTrail. Holds no session between calls."""

    def __init__(self, url: str) -> None:
        self._url = url

    def begin(self, entry: AuditEntry) -> int:
        """Record that the change is about to be made. Raises AuditUnavailableError: then do not make it."""
        subject = _text(entry.subject, MAX_SUBJECT_CHARACTERS)
        values = [entry.origin, _text(entry.actor), _text(entry.via), entry.action, subject]
        try:
            return run_in_transaction(self._url, lambda session: _added(session, values))
        except (psycopg.Error, ExplainedError) as error:
            raise AuditUnavailableError(entry.action, error) from error

    def finish(self, entry_id: int, result: AuditResult, detail: str = "") -> None:
        """Record what became of it."""
        values = [entry_id, result, _text(detail, MAX_DETAIL_CHARACTERS)]
        run_in_transaction(self._url, lambda session: session.execute(_FINISH, values))

    def latest(
        self, since: datetime, limit: int, actor: str | None = None
    ) -> Sequence[AuditRecord]:
        """Entries since the instant, of one person where one is named; newest first."""
        by, of_actor = ("actor = %s and ", [actor]) if actor is not None else ("", [])
        query = f"{_SELECT} where {by}at >= %s {_NEWEST}"
        rows = run_in_transaction(
            self._url, lambda session: session.execute(query, [*of_actor, since, limit]).fetchall()
        )
        return [_record(*row) for row in rows]


def _added(session: psycopg.Connection, values: Sequence[str]) -> int:
    row = session.execute(_BEGIN, values).fetchone()
    assert row is not None  # noqa: S101 - "returning" gives one
    return int(row[0])


def _record(entry_id: int, at: datetime, origin: str, *rest: Any) -> AuditRecord:
    actor, via, action, subject, became = rest
    entry = AuditEntry(Origin(origin), actor, via, action, subject)
    result, detail = became or (None, "")
    return AuditRecord(entry_id, at, entry, AuditResult(result) if result else None, detail)


def _text(text: str, length: int = MAX_SUBJECT_CHARACTERS) -> str:
    """What PostgreSQL can store of it, at most so many characters."""
    return cut(text.replace("\0", "").encode(errors="replace").decode(), length)
