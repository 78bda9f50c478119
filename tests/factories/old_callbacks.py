"""Callbacks of any age and state in the store, each with one attempt."""

from datetime import UTC, datetime, timedelta

from cardops.adapters.postgresql.authorizations.rows import new_callback_id
from cardops.adapters.postgresql.connection import connect

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)

_INSERT = """
insert into callbacks (
    callback_id, program, transaction_id, url, body, state, attempt_count, next_attempt_at,
    created_at, ended_at, last_status_code
)
values (%s, %s, %s, 'https://hook.example.com/a?token=secret', '{}', %s, 1, %s, %s, %s, 200)
"""
_ATTEMPT = """
insert into callback_attempts (
    callback_id, started_at, attempt_count, duration_milliseconds, status_code
)
values (%s, %s, 1, 20, 200)
"""


def add_callback(
    url: str,
    transaction_id: str,
    *,
    days: float,
    state: str = "delivered",
    ended_days: float | None = None,
    program: str = "default",
) -> str:
    """A callback of so many days ago, tried at once; returns its id."""
    at = TODAY - timedelta(days=days)
    ended = None
    if state != "pending":
        ended = at if ended_days is None else TODAY - timedelta(days=ended_days)
    callback_id = new_callback_id(at, 0)
    with connect(url) as session:
        session.execute(_INSERT, [callback_id, program, transaction_id, state, at, at, ended])
        session.execute(_ATTEMPT, [callback_id, at])
    return callback_id


def stored(url: str) -> list[str]:
    """The transaction ids of the callbacks that are in the store."""
    with connect(url) as session:
        rows = session.execute("select transaction_id from callbacks order by 1").fetchall()
    return [name for (name,) in rows]


def attempt_count(url: str) -> int:
    """How many attempts are in the delivery log."""
    with connect(url) as session:
        row = session.execute("select count(*) from callback_attempts").fetchone()
    return row[0] if row else 0
