"""Balances compared with postings and holds: asserted after every test that injects faults."""

from typing import Any

import psycopg

from cardops.adapters.postgresql.connection import connect

# Balances against the sum of all postings, and held amounts against open holds.
DIFFERENCES = """
select coalesce(a.program, p.program), coalesce(a.user_id, p.user_id),
    coalesce(a.currency, p.currency), a.available_minor, a.held_minor, p.posted_minor, h.held_minor
from accounts as a
full join (
    select program, user_id, currency, sum(posted_minor)::bigint as posted_minor
    from postings group by program, user_id, currency
) as p using (program, user_id, currency)
left join (
    select program, user_id, currency, sum(held_minor)::bigint as held_minor
    from holds where state = 'held' group by program, user_id, currency
) as h using (program, user_id, currency)
where coalesce(a.available_minor + a.held_minor, 0) <> coalesce(p.posted_minor, 0)
    or coalesce(a.held_minor, 0) <> coalesce(h.held_minor, 0)
"""
NEGATIVE = "select * from accounts where available_minor < 0 or held_minor < 0"
# Every change of an account has its own ledger_seq.
SEQUENCES = """
select program, user_id, currency, ledger_seq, count(*)
from (
    select program, user_id, currency, ledger_seq from deposit_events
    union all select program, user_id, currency, ledger_seq from deposit_reinstatements
    union all select program, user_id, currency, ledger_seq from deposit_recalls
    union all select program, user_id, currency, ledger_seq from provisional_postings
    union all select program, user_id, currency, ledger_seq from decisions where status = 'PERMIT'
    union all select program, user_id, currency, ledger_seq from movements
    where status = 'PERMIT' and user_id is not null
) as moved
group by program, user_id, currency, ledger_seq
having count(*) > 1
"""


def rows(
    where: str | psycopg.Connection, statement: str, *arguments: object
) -> list[tuple[Any, ...]]:
    """The rows of a statement, in a session or at a URL."""
    if isinstance(where, str):
        with connect(where) as session:
            return rows(session, statement, *arguments)
    return where.execute(statement.encode(), arguments or None).fetchall()


def assert_books_add_up(url: str | psycopg.Connection, *, may_be_negative: bool = False) -> None:
    assert rows(url, DIFFERENCES) == [], "balances differ from postings, or held from holds"
    assert rows(url, SEQUENCES) == [], "a ledger_seq of an account was used twice"
    if not may_be_negative:
        assert rows(url, NEGATIVE) == [], "an account was overdrawn"
