"""TransactionLog on PostgreSQL: one UTC day, from one snapshot, into one Parquet file.

Belongs here: the query, and when a day is closed. Writing Parquet is in log_file.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql

from cardops.adapters.postgresql.reconciliation.log_file import export_log, write_log
from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.ports import DayExport

# A decision made without a lock gets its transaction id up to WRITE_DEADLINE (authorizations.py)
# after its instant; both are by the database's clock.
CLOCK_MARGIN: Final = timedelta(seconds=5)

# Collation "C" sorts by bytes, so that the order is the same on every server.
_DAY: Final = """
select * from (
    select program, 'decision' as kind, transaction_id as event_key, transaction_id, user_id,
        currency, amount_minor,
        case when status = 'PERMIT' and is_capture then -amount_minor else 0 end as posted_minor,
        case when status = 'PERMIT' and not is_capture then amount_minor else 0 end
            as held_change_minor,
        status, reason_code, is_capture, remaining_minor, ledger_seq,
        decided_at as occurred_at, details #>> '{{merchant,id}}' as merchant_id,
        details ->> 'channel' as channel
    from decisions
    where decided_at >= {start} and decided_at < {end}
    union all
    select program, kind, transaction_id || '/' || movement_key, transaction_id, user_id,
        currency, amount_minor, posted_minor, held_change_minor, status, reason_code, null,
        null, ledger_seq, posted_at, null, null
    from movements
    where posted_at >= {start} and posted_at < {end}
    union all
    select program, 'deposit', deposit_id, null, user_id, currency, amount_minor, amount_minor,
        0, null, null, null, null, ledger_seq, posted_at, null, null
    from deposit_events
    where posted_at >= {start} and posted_at < {end}
    union all
    select program, 'reinstatement', deposit_id || '/' || credit_number, null, user_id, currency,
        amount_minor, amount_minor, 0, null, null, null, null, ledger_seq, posted_at, null, null
    from deposit_reinstatements
    where posted_at >= {start} and posted_at < {end}
    union all
    select program, 'recall',
        deposit_id || case when credit_number > 1 then '/' || credit_number else '' end, null,
        user_id, currency, amount_minor, -amount_minor, 0, null, null, null, null, ledger_seq,
        posted_at, null, null
    from deposit_recalls
    where posted_at >= {start} and posted_at < {end}
    union all
    select program, kind, network || '/' || case_number, transaction_id, user_id, currency,
        amount_minor, case kind when 'credit_taken_back' then -amount_minor else amount_minor end,
        0, null, null, null, null, ledger_seq, posted_at, null, null
    from provisional_postings
    where posted_at >= {start} and posted_at < {end}
) as day
order by program collate "C", user_id collate "C" nulls first, currency collate "C" nulls first,
    ledger_seq, kind collate "C", event_key collate "C"
"""

_CLUSTER: Final = """
select system_identifier || '/' || timeline_id || '/'
from pg_control_system(), pg_control_checkpoint()
"""


@dataclass(slots=True)
class Exported:
    """Implements cardops.ports.DayExport."""

    row_count: int
    watermark: str | None
    is_closed: bool
    content_sha256: str
    exported_at: datetime


class PostgresTransactionLog:
    """Implements cardops.ports.TransactionLog. Holds no session between calls."""

    def __init__(self, url: str) -> None:
        self._url = url

    def export(self, business_date: date, target: Path) -> DayExport:
        """Write the whole day from one snapshot; a closed day always gives the same bytes."""
        end = datetime.combine(business_date, time(), UTC) + timedelta(days=1)
        watermark = run_in_transaction(
            self._url, lambda session: _watermark(session, business_date, end)
        )
        written = export_log(self._url, day_query(business_date), target)
        is_closed = watermark is not None and written.oldest_open > int(
            watermark.rpartition("/")[2]
        )
        return Exported(
            written.row_count, watermark, is_closed, written.content_sha256, written.read_at
        )

    def record_export(self, business_date: date, export: DayExport) -> None:
        """Record the export; the latest of a day counts."""
        run_in_transaction(self._url, lambda session: _record(session, business_date, export))

    def busy_dates(self) -> Sequence[date]:
        """UTC dates with any event, in order."""
        rows = run_in_transaction(self._url, lambda session: session.execute(_BUSY).fetchall())
        return [day for (day,) in rows]


def write_day(session: psycopg.Connection, business_date: date, target: Path) -> tuple[int, str]:
    """Write the day as the session sees it; (row count, SHA-256 of the file)."""
    return write_log(session, day_query(business_date), target)


def day_query(business_date: date) -> sql.Composed:
    """The day's rows, in the order of the log."""
    start = datetime.combine(business_date, time(), UTC)
    end = start + timedelta(days=1)
    return sql.SQL(_DAY).format(start=sql.Literal(start), end=sql.Literal(end))


# From one date with an event to the next: an index step each, however many events there are.
_BUSY: Final = """
with recursive busy (day) as (
    select (least(
        (select min(decided_at) from decisions),
        (select min(posted_at) from movements),
        (select min(posted_at) from deposit_events),
        (select min(posted_at) from deposit_recalls),
        (select min(posted_at) from deposit_reinstatements),
        (select min(posted_at) from provisional_postings)
    ) at time zone 'UTC')::date
    union all
    select (least(
        (select min(decided_at) from decisions where decided_at >= next_day),
        (select min(posted_at) from movements where posted_at >= next_day),
        (select min(posted_at) from deposit_events where posted_at >= next_day),
        (select min(posted_at) from deposit_recalls where posted_at >= next_day),
        (select min(posted_at) from deposit_reinstatements where posted_at >= next_day),
        (select min(posted_at) from provisional_postings where posted_at >= next_day)
    ) at time zone 'UTC')::date
    from busy
    cross join lateral (
        select (busy.day + 1)::timestamp at time zone 'UTC' as next_day
    ) as following
    where busy.day is not null
)
select day from busy where day is not null order by day
"""


def _watermark(session: psycopg.Connection, business_date: date, day_end: datetime) -> str | None:
    """A transaction id above all that were open at the day's end; None while the day lasts.

    The first id taken after the day's end is stored. An id of another cluster, or of this one before
    a restore, is ignored. The id of this transaction is above all assigned so far; the snapshot's
    upper bound is not enough, since an open transaction may be above it.
    """
    cluster = _value(session, _CLUSTER)
    stored = session.execute(
        "select watermark from exported_days where business_date = %s and watermark is not null",
        [business_date],
    ).fetchone()
    if stored is not None and stored[0].startswith(cluster):
        return str(stored[0])
    if _value(session, "select clock_timestamp()") < day_end + CLOCK_MARGIN:
        return None
    return f"{cluster}{_value(session, 'select pg_current_xact_id()::text')}"


def _value(session: psycopg.Connection, query: LiteralString) -> Any:
    row = session.execute(query).fetchone()
    return None if row is None else row[0]


def _record(session: psycopg.Connection, business_date: date, export: DayExport) -> None:
    session.execute(
        "insert into exported_days"
        " (business_date, exported_at, is_closed, row_count, content_sha256, watermark)"
        " values (%s, %s, %s, %s, %s, %s) on conflict (business_date) do update"
        " set exported_at = excluded.exported_at, is_closed = excluded.is_closed,"
        " row_count = excluded.row_count, content_sha256 = excluded.content_sha256,"
        " watermark = excluded.watermark where exported_days.exported_at <= excluded.exported_at",
        [
            business_date,
            export.exported_at,
            export.is_closed,
            export.row_count,
            export.content_sha256,
            export.watermark,
        ],
    )
