"""Which business dates were reconciled, and the closing balances that the next night begins at.

Belongs here: SQL over `reconciled_days`. When a date is a beginning is decided in
cardops.services.reconciliation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import psycopg


@dataclass(frozen=True, slots=True)
class ReconciledDay:
    """Implements cardops.ports.ReconciledDay."""

    business_date: date
    balances_sha256: str | None


_IS_CLEAN: Final = "break_count = 0 and superseded_at is null"
_LAST: Final = f"""
select business_date, balances_sha256 from reconciled_days
where business_date < %s and {_IS_CLEAN}
order by business_date desc limit 1
"""  # noqa: S608 - a constant of this module
# The date that was last compared from the beginning, if no break was found then: what an older part of
# the books has is not seen by a night that begins after it.
_LAST_PROVEN: Final = """
select case when break_count = 0 then business_date end from reconciled_days
where business_date <= %s and compared_from is null
    and (superseded_at is null or break_count > 0)
order by business_date desc limit 1
"""
_BETWEEN: Final = f"""
select business_date, balances_sha256 from reconciled_days
where business_date between %s and %s and {_IS_CLEAN}
order by business_date
"""  # noqa: S608 - a constant of this module
# What a comparison of everything found is not replaced by one of less that began before it was recorded.
_RECORD: Final = """
insert into reconciled_days (business_date, compared_from, break_count, balances_sha256)
select business_date, %s, %s, %s from exported_days where business_date = %s and is_closed
on conflict (business_date) do update
set reconciled_at = excluded.reconciled_at, compared_from = excluded.compared_from,
    break_count = excluded.break_count, balances_sha256 = excluded.balances_sha256,
    superseded_at = null
where excluded.compared_from is null or reconciled_days.compared_from is not null
    or reconciled_days.break_count = 0
"""
_SUPERSEDE: Final = """
update reconciled_days set superseded_at = clock_timestamp()
where business_date >= %s and superseded_at is null
"""

# Counted in indexes, date by date. Nothing is written into a date that is closed, except by hand, by a
# restore, or by a clock that was set back.
_CHANGED_EXPORTS: Final = """
select business_date
from exported_days
cross join lateral (
    select business_date::timestamp at time zone 'UTC' as first_instant,
        (business_date + 1)::timestamp at time zone 'UTC' as next_instant
) as day
where business_date between %s and %s and is_closed
    and row_count <> (
        (select count(*) from decisions
         where decided_at >= first_instant and decided_at < next_instant)
        + (select count(*) from movements
           where posted_at >= first_instant and posted_at < next_instant)
        + (select count(*) from deposit_events
           where posted_at >= first_instant and posted_at < next_instant)
        + (select count(*) from deposit_recalls
           where posted_at >= first_instant and posted_at < next_instant)
        + (select count(*) from deposit_reinstatements
           where posted_at >= first_instant and posted_at < next_instant)
        + (select count(*) from provisional_postings
           where posted_at >= first_instant and posted_at < next_instant)
    )
order by business_date
"""


def changed_exports(session: psycopg.Connection, since: date, until: date) -> Sequence[date]:
    """Dates between these whose final export has not as many rows as the store has events."""
    return [row[0] for row in session.execute(_CHANGED_EXPORTS, [since, until]).fetchall()]


def last_reconciled(session: psycopg.Connection, business_date: date) -> ReconciledDay | None:
    """The latest earlier date without a break."""
    row = session.execute(_LAST, [business_date]).fetchone()
    return None if row is None else ReconciledDay(*row)


def last_proven(session: psycopg.Connection, business_date: date) -> date | None:
    """The latest date up to that one that was compared from the beginning; None if it had a break."""
    row = session.execute(_LAST_PROVEN, [business_date]).fetchone()
    return None if row is None else row[0]


def reconciled(session: psycopg.Connection, since: date, until: date) -> Sequence[ReconciledDay]:
    """The dates between these, both included, without a break."""
    return [ReconciledDay(*row) for row in session.execute(_BETWEEN, [since, until]).fetchall()]


def record(
    session: psycopg.Connection, day: ReconciledDay, since: date | None, break_count: int
) -> None:
    """Record the outcome of a closed date; of another, which may still change, nothing."""
    values = [since, break_count, day.balances_sha256, day.business_date]
    session.execute(_RECORD, values)


def supersede(session: psycopg.Connection, since: date) -> None:
    """None of the dates from this one on is a beginning any more."""
    session.execute(_SUPERSEDE, [since])
