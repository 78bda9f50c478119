"""Usage of spending limits, read for the accounts of a batch that have any.

It takes a statement of its own, after the one that reads accounts. Where that one locks, its
snapshot is older than its locks, so it would miss what was committed while it waited. Where it does
not lock, the account may have changed since and is compared again.

Belongs here: reads for a decision. Setting limits is in accounts/spending_limits.py.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from cardops.adapters.postgresql.sessions import Session
from cardops.rules.accounts.spending_limits import (
    LimitKind,
    SpendingLimit,
    counting_start,
    limits_in_force,
)
from cardops.rules.authorizations.decisions import AccountKey, AccountState, BatchState

# $1-$3: accounts; $4: start of the counted period, which has no end (rules counting_start).
USED: Final = """
select
    (d.amount_minor + m.amount_minor) as amount_minor, (d.number + m.number) as number,
    (
        select a.ledger_seq from accounts as a
        where a.program = w.program and a.user_id = w.user_id and a.currency = w.currency
    ) as ledger_seq
from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
    with ordinality as w (program, user_id, currency, counts_from, place)
cross join lateral (
    select coalesce(sum(amount_minor), 0) as amount_minor, count(*) as number
    from decisions
    where
        program = w.program and user_id = w.user_id and currency = w.currency
        and status = 'PERMIT' and decided_at >= w.counts_from
) as d
cross join lateral (
    select coalesce(sum(amount_minor), 0) as amount_minor, count(*) as number
    from movements
    where
        program = w.program and user_id = w.user_id and currency = w.currency
        and kind = 'increment' and status = 'PERMIT' and posted_at >= w.counts_from
) as m
order by w.place
"""


class OvertakenError(RuntimeError):
    """The account changed between the two reads, so its balance and its usage do not agree."""


def limit_of(row: Mapping[str, Any]) -> SpendingLimit:
    """The limit in a row of spending_limits."""
    return SpendingLimit(
        LimitKind(row["kind"]), row["max_amount_minor"], row["max_count"], row["window_seconds"]
    )


async def add_allowances(session: Session, state: BatchState, at: datetime) -> None:
    """Give every account of the batch its limits in force and their usage at `at`.

    Raises OvertakenError where an account that is not locked has changed.
    """
    if not state.limits:
        return
    limited = []
    for key, account in state.accounts.items():
        program, user_id, currency = key
        of_program = state.limits.get((program, "", currency), ())
        own = state.limits.get((program, user_id, currency), ())
        if account.exists and (of_program or own):
            account.allowances = limits_in_force(of_program, own)
            limited.append((key, account))
    await _count(session, limited, at)


async def _count(
    session: Session, limited: Sequence[tuple[AccountKey, AccountState]], at: datetime
) -> None:
    periods = [
        (key, start, allowance, account.ledger_seq)
        for key, account in limited
        for allowance in account.allowances
        if (start := counting_start(allowance.limit, at)) is not None
    ]
    if not periods:
        return
    keys = ([key[column] for key, *_ in periods] for column in range(3))
    rows = await session.fetch(USED, *keys, [start for _, start, *_ in periods])
    for (_, _, allowance, seq_read), (amount_minor, count, seq) in zip(periods, rows, strict=True):
        if seq != seq_read:  # guard: limit-unchanged-account
            raise OvertakenError
        allowance.used_amount_minor, allowance.used_count = int(amount_minor), count
