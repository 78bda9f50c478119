"""What is looked up of disputes and their purchases, by key: a bounded number at a time.

Belongs here: SQL that reads. Each look-up is by a primary key or an index of the table.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Final, TypeVar

import psycopg

from cardops.ports.provisional import Account
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.provisional.records import (
    CreditRecord,
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
    (p.posted_at at time zone 'UTC')::date
from unnest(%s::text[], %s::text[], %s::text[]) as k (program, network, case_number)
cross join lateral (
    select kind, amount_minor, posted_at from provisional_postings as p
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
_CREDITED: Final = """
select k.transaction_id, p.network, p.case_number, sum(p.amount_minor)::bigint
from unnest(%s::text[]) as k (transaction_id)
inner join provisional_postings as p
    on p.program = %s and p.transaction_id = k.transaction_id
group by k.transaction_id, p.network, p.case_number
having not bool_or(p.kind = 'credit_taken_back')
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
    session.execute(_BY_INDEX)
    for part in _parts(keys):
        columns = _columns([(key.program, key.network, key.case_number) for key in part])
        for *names, kind, amount_minor, posted_on in session.execute(_POSTINGS, columns):
            posted = Posted(PostingKind(kind), amount_minor, posted_on)
            found = credits_of if posted.kind is PostingKind.CREDIT else ends
            found[DisputeKey(*names)] = posted
        for *names, kind, sent_on in session.execute(_NOTICES, columns):
            notices[DisputeKey(*names)][NoticeKind(kind)] = sent_on
    return {
        key: CreditRecord(credits_of.get(key), ends.get(key), notices.get(key, {}))
        for key in {*credits_of, *ends, *notices}
    }


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


def _parts(keys: Sequence[Key]) -> Iterator[list[Key]]:
    for first in range(0, len(keys), MAX_KEYS):
        yield list(keys[first : first + MAX_KEYS])


def _columns(rows: Sequence[tuple[str, str, str]]) -> list[list[str]]:
    return [list(column) for column in zip(*rows, strict=True)]
