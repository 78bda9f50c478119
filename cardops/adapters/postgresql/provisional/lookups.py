"""What is looked up of disputes and their purchases, by key: a bounded number at a time.

Belongs here: SQL that reads. Each look-up is by a primary key or an index of the table.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final, TypeVar

import psycopg

from cardops.ports.provisional import Account
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.provisional.records import (
    CreditRecord,
    DecidedStep,
    Decision,
    DecisionKind,
    Facts,
    LedgerEntry,
    NoticeKind,
    Posted,
    PostingKind,
)

MAX_KEYS: Final = 1_000
# Each key by an index, whatever its share of the table; until the transaction ends.
_BY_INDEX: Final = (
    "select set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),"
    " set_config('enable_seqscan', 'off', true)"
)
Key = TypeVar("Key")

_POSTINGS: Final = """
select k.program, k.network, k.case_number, p.kind, p.amount_minor,
    (p.posted_at at time zone 'UTC')::date, p.policy, p.decision_number
from unnest(%s::text[], %s::text[], %s::text[]) as k (program, network, case_number)
cross join lateral (
    select kind, amount_minor, posted_at, policy, decision_number from provisional_postings as p
    where p.program = k.program and p.network = k.network and p.case_number = k.case_number
) as p
"""
_NOTICES: Final = """
select k.program, k.network, k.case_number, n.kind, n.sent_on
from unnest(%s::text[], %s::text[], %s::text[]) as k (program, network, case_number)
cross join lateral (
    select kind, max(sent_on) as sent_on from provisional_notices as n
    where n.program = k.program and n.network = k.network and n.case_number = k.case_number
    group by kind
) as n
"""
_DECISIONS: Final = """
select k.program, k.network, k.case_number, d.decision_number, d.step, d.reason, d.since_on,
    d.judged_minor, d.decision, d.amount_minor, d.until_on, d.decided_by, d.why, d.decided_on
from unnest(%s::text[], %s::text[], %s::text[]) as k (program, network, case_number)
cross join lateral (
    select * from provisional_decisions as d
    where d.program = k.program and d.network = k.network and d.case_number = k.case_number
    order by d.decision_number desc
    limit 1
) as d
"""
_STANDING: Final = """
select c.network, c.case_number from provisional_postings as c
where c.program = %s and c.step = 'credit' and not exists (
    select from provisional_postings as e
    where e.program = c.program and e.network = c.network and e.case_number = c.case_number
        and e.step = 'end'
)
"""
_CREDITED: Final = """
select k.transaction_id, p.network, p.case_number,
    sum(case p.kind when 'credit_taken_back' then -p.amount_minor else p.amount_minor end)::bigint
from unnest(%s::text[]) as k (transaction_id)
inner join provisional_postings as p
    on p.program = %s and p.transaction_id = k.transaction_id
group by k.transaction_id, p.network, p.case_number
"""
_ENTRIES: Final = """
select k.transaction_id, d.user_id, d.currency,
    case when d.status = 'PERMIT' and d.is_capture then d.amount_minor else 0 end - m.posted_minor
from unnest(%s::text[]) as k (transaction_id)
inner join decisions as d on d.program = %s and d.transaction_id = k.transaction_id
cross join lateral (
    select coalesce(sum(m.posted_minor), 0)::bigint as posted_minor from movements as m
    where m.program = d.program and m.transaction_id = d.transaction_id
) as m
"""
_BALANCES: Final = """
select k.program, k.user_id, k.currency, a.available_minor
from unnest(%s::text[], %s::text[], %s::text[]) as k (program, user_id, currency)
cross join lateral (
    select available_minor from accounts as a
    where a.program = k.program and a.user_id = k.user_id and a.currency = k.currency
) as a
"""


def records(
    session: psycopg.Connection, keys: Sequence[DisputeKey]
) -> Mapping[DisputeKey, CreditRecord]:
    """What was posted and sent for each of these disputes that has any of it."""
    credits_of: dict[DisputeKey, Posted] = {}
    ends: dict[DisputeKey, Posted] = {}
    notices: dict[DisputeKey, dict[NoticeKind, date]] = defaultdict(dict)
    decisions: dict[DisputeKey, Decision] = {}
    session.execute(_BY_INDEX)
    for part in _parts(keys):
        columns = _columns([(key.program, key.network, key.case_number) for key in part])
        for *names, kind, amount_minor, posted_on, policy, number in session.execute(
            _POSTINGS, columns
        ):
            posted = Posted(PostingKind(kind), amount_minor, posted_on, policy, number)
            found = credits_of if posted.kind is PostingKind.CREDIT else ends
            found[DisputeKey(*names)] = posted
        for *names, kind, sent_on in session.execute(_NOTICES, columns):
            notices[DisputeKey(*names)][NoticeKind(kind)] = sent_on
        for row in session.execute(_DECISIONS, columns):
            decisions[DisputeKey(*row[:3])] = _decision(row[3:])
    return {
        key: CreditRecord(
            credits_of.get(key), ends.get(key), notices.get(key, {}), decisions.get(key)
        )
        for key in {*credits_of, *ends, *notices, *decisions}
    }


def standing(session: psycopg.Connection, program: str) -> list[DisputeKey]:
    """Disputes of the program with a credit and no end."""
    rows = session.execute(_STANDING, [program])
    return [DisputeKey(program, network, case_number) for network, case_number in rows]


def credited(
    session: psycopg.Connection, program: str, ids: Sequence[str]
) -> Mapping[str, Mapping[DisputeKey, int]]:
    """Transaction -> its disputes with what they were credited and keep."""
    found: dict[str, dict[DisputeKey, int]] = defaultdict(dict)
    session.execute(_BY_INDEX)
    for part in _parts(ids):
        for transaction_id, network, case_number, amount in session.execute(
            _CREDITED, [part, program]
        ):
            found[transaction_id][DisputeKey(program, network, case_number)] = amount
    return found


def entries(
    session: psycopg.Connection, program: str, ids: Sequence[str]
) -> Mapping[str, LedgerEntry]:
    """Transaction -> what the ledger has of it."""
    found: dict[str, LedgerEntry] = {}
    session.execute(_BY_INDEX)
    for part in _parts(ids):
        for transaction_id, user_id, currency, spent_minor in session.execute(
            _ENTRIES, [part, program]
        ):
            found[transaction_id] = LedgerEntry(user_id, currency, spent_minor)
    return found


def balances(session: psycopg.Connection, accounts: Sequence[Account]) -> Mapping[Account, int]:
    """Account -> what is available."""
    found: dict[Account, int] = {}
    session.execute(_BY_INDEX)
    for part in _parts(accounts):
        for *account, available_minor in session.execute(_BALANCES, _columns(part)):
            found[account[0], account[1], account[2]] = available_minor
    return found


def _decision(row: Sequence[Any]) -> Decision:
    number, step, reason, since_on, judged_minor, kind, *rest = row
    facts = Facts(DecidedStep(step), reason, since_on, judged_minor)
    return Decision(number, facts, DecisionKind(kind), *rest)


def _parts(keys: Sequence[Key]) -> Iterator[list[Key]]:
    for first in range(0, len(keys), MAX_KEYS):
        yield list(keys[first : first + MAX_KEYS])


def _columns(rows: Sequence[tuple[str, str, str]]) -> list[list[str]]:
    return [list(column) for column in zip(*rows, strict=True)]
