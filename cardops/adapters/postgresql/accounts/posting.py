"""The SQL that posts one chunk of staged rows to accounts: credit, or recall.

Both lock the chunk's accounts in id order, then insert postings and change balances in one
statement, so that the two cannot differ. Both are idempotent.

The program is a column of the staged rows and joined like the others: with a constant, the planner
would take a table without statistics for nearly empty and scan it for every chunk.
"""

from typing import Final, LiteralString

import psycopg
from psycopg import sql

from cardops.adapters.postgresql.accounts.staging import Chunk, Stage

# Two deposits are the same if user, currency, minor units and the instant (microseconds) agree.
# Ids contain no vertical bar, so no two contents have the same text.
CONTENT_HASH: Final = sql.SQL(
    "sha256(convert_to(s.user_id || '|' || s.currency || '|' || s.amount_minor || '|' ||"
    " (extract(epoch from s.occurred_at) * 1000000)::bigint, 'UTF8'))"
)

# For sessions that post chunks: index look-ups, whatever the size of a table.
LOOK_UPS: Final = (
    "-cenable_hashjoin=off",
    "-cenable_mergejoin=off",
    "-crandom_page_cost=1.1",
)

_CHUNK: Final = (
    "from {stage} as s where not s.is_repeat"
    " and (s.user_id, s.row_number) > (%(after_user)s, %(after_row)s)"
    " and (s.user_id, s.row_number) <= (%(to_user)s, %(to_row)s)"
)

_OPEN_ACCOUNTS: Final = (
    "insert into accounts (program, user_id, currency)"
    " select distinct s.program, s.user_id, s.currency {chunk} order by 1, 2, 3"
    " on conflict (program, user_id, currency) do nothing"
)

# The lateral subquery with "for update" runs key by key, so it locks in this order.
_LOCK_ACCOUNTS: Final = (
    "select count(*) from"
    " (select distinct s.program, s.user_id, s.currency {chunk} order by 1, 2, 3) as k"
    " cross join lateral (select 1 from accounts as a where a.program = k.program"
    " and a.user_id = k.user_id and a.currency = k.currency for update) as locked"
)

# An account opened for a deposit that another file had credited would make its user known.
_CLOSE_UNUSED: Final = (
    "delete from accounts as a using (select distinct s.program, s.user_id, s.currency {chunk}) as k"
    " where a.program = k.program and a.user_id = k.user_id and a.currency = k.currency"
    " and a.ledger_seq = 0"
)

# posted_at is read after the accounts are locked, when the transaction has its id: so a day can be
# closed by transaction ids, and an account's rows are in its posting order.
_CREDIT: Final = """
with fresh as (
    select s.*, {content_hash} as content_hash,
        a.ledger_seq + row_number() over (
            partition by s.user_id, s.currency order by s.row_number
        ) as next_seq
    from (select s.* {chunk}) as s
    join accounts as a
        on a.program = s.program and a.user_id = s.user_id and a.currency = s.currency
    where not exists (
        select from deposit_events as e
        where e.program = s.program and e.deposit_id = s.deposit_id
    )
),
posted as (
    insert into deposit_events (
        program, deposit_id, user_id, currency, amount_minor, occurred_at,
        intake_id, row_number, content_hash, ledger_seq, posted_at
    )
    select program, deposit_id, user_id, currency, amount_minor, occurred_at,
        {intake_id}, row_number, content_hash, next_seq, statement_timestamp()
    from fresh order by deposit_id
    on conflict (program, deposit_id) do nothing
    returning program, user_id, currency, amount_minor, ledger_seq
),
sums as (
    select program, user_id, currency, sum(amount_minor)::bigint as amount_minor,
        max(ledger_seq) as ledger_seq
    from posted group by program, user_id, currency
)
update accounts as a
set available_minor = a.available_minor + sums.amount_minor, ledger_seq = sums.ledger_seq
from sums
where a.program = sums.program and a.user_id = sums.user_id and a.currency = sums.currency
"""

_RECALL: Final = """
with fresh as (
    select s.*, a.ledger_seq + row_number() over (
        partition by s.user_id, s.currency order by s.row_number
    ) as next_seq
    from (select s.* {chunk}) as s
    join accounts as a
        on a.program = s.program and a.user_id = s.user_id and a.currency = s.currency
    where not exists (
        select from deposit_recalls as r
        where r.program = s.program and r.deposit_id = s.deposit_id
    )
),
posted as (
    insert into deposit_recalls (
        program, deposit_id, user_id, currency, amount_minor, recalled_by, ledger_seq, posted_at
    )
    select program, deposit_id, user_id, currency, amount_minor, %(recalled_by)s, next_seq,
        statement_timestamp()
    from fresh order by deposit_id
    on conflict (program, deposit_id) do nothing
    returning program, user_id, currency, amount_minor, ledger_seq
),
sums as (
    select program, user_id, currency, sum(amount_minor)::bigint as amount_minor,
        max(ledger_seq) as ledger_seq
    from posted group by program, user_id, currency
)
update accounts as a
set available_minor = a.available_minor - sums.amount_minor, ledger_seq = sums.ledger_seq
from sums
where a.program = sums.program and a.user_id = sums.user_id and a.currency = sums.currency
"""


def credit_chunk(session: psycopg.Connection, stage: Stage, chunk: Chunk) -> None:
    """Credit the chunk's deposits that were not credited before."""
    values = _values(chunk)
    opened = session.execute(_statement(stage, _OPEN_ACCOUNTS), values).rowcount
    session.execute(_statement(stage, _LOCK_ACCOUNTS), values)
    session.execute(_statement(stage, _CREDIT), values)
    if opened:
        session.execute(_statement(stage, _CLOSE_UNUSED), values)


def recall_chunk(
    session: psycopg.Connection, stage: Stage, chunk: Chunk, *, recalled_by: str
) -> None:
    """Take the chunk's deposits back, even if a balance becomes negative."""
    values = _values(chunk)
    session.execute(_statement(stage, _LOCK_ACCOUNTS), values)
    session.execute(_statement(stage, _RECALL), {**values, "recalled_by": recalled_by})


def _values(chunk: Chunk) -> dict[str, object]:
    return {
        "after_user": chunk.after_user,
        "after_row": chunk.after_row,
        "to_user": chunk.to_user,
        "to_row": chunk.to_row,
    }


def _statement(stage: Stage, text: LiteralString) -> sql.Composed:
    return stage.sql(text, chunk=stage.sql(_CHUNK), content_hash=CONTENT_HASH)
