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
# Compared from the beginning.
_LAST_PROVEN: Final = f"""
select business_date from reconciled_days
where business_date < %s and compared_from is null and {_IS_CLEAN}
order by business_date desc limit 1
"""  # noqa: S608 - a constant of this module
_BETWEEN: Final = f"""
select business_date, balances_sha256 from reconciled_days
where business_date between %s and %s and {_IS_CLEAN}
order by business_date
"""  # noqa: S608 - a constant of this module
_RECORD: Final = """
insert into reconciled_days (business_date, compared_from, break_count, balances_sha256)
select business_date, %s, %s, %s from exported_days where business_date = %s and is_closed
on conflict (business_date) do update
set reconciled_at = excluded.reconciled_at, compared_from = excluded.compared_from,
    break_count = excluded.break_count, balances_sha256 = excluded.balances_sha256,
    superseded_at = null
"""
_SUPERSEDE: Final = """
update reconciled_days set superseded_at = clock_timestamp()
where business_date >= %s and superseded_at is null
"""


def last_reconciled(session: psycopg.Connection, business_date: date) -> ReconciledDay | None:
    """The latest earlier date without a break."""
    row = session.execute(_LAST, [business_date]).fetchone()
    return None if row is None else ReconciledDay(*row)


def last_proven(session: psycopg.Connection, business_date: date) -> date | None:
    """The latest earlier date without a break that was compared from the beginning."""
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
