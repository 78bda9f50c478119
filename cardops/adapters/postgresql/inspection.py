"""Facts about the store that an operator or the demo reads; nothing here changes it."""

import time
from dataclasses import dataclass
from datetime import timedelta

from cardops.adapters.postgresql.connection import connect
from cardops.ports import Clock
from cardops.rules.clocks import ClockReading


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """Server version, applied migrations and callback endpoints that receive nothing."""

    server_version: str
    migration_count: int
    disabled_endpoint_count: int


def inspect_database(url: str) -> DatabaseFacts:
    """Raises DatabaseUnavailableError."""
    with connect(url) as session:
        row = session.execute(
            "select current_setting('server_version'),"
            " (select count(*) from schema_migrations),"
            " (select count(*) from callback_endpoints where disabled_at is not null)"
        ).fetchone()
    version, migrations, disabled = row or ("", 0, 0)
    return DatabaseFacts(str(version), int(migrations), int(disabled))


def read_clocks(url: str, clock: Clock) -> ClockReading:
    """The database's clock beside the local one. Raises DatabaseUnavailableError."""
    with connect(url) as session:
        started, asked_at = time.monotonic(), clock.now()
        row = session.execute("select clock_timestamp()").fetchone()
        answered_at = asked_at + timedelta(seconds=time.monotonic() - started)
    return ClockReading(asked_at, row[0] if row else asked_at, answered_at)


def first_response(url: str, program: str, status: str) -> str:
    """The body of the program's first decision with that status; empty where there is none."""
    with connect(url) as session:
        row = session.execute(
            "select answer from decisions where program = %s and status = %s"
            " order by decided_at, transaction_id limit 1",
            [program, status],
        ).fetchone()
    return bytes(row[0]).decode() if row else ""
