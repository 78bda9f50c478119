"""One chunk of staged rows posted to accounts: credited, reinstated or recalled.

All lock the chunk's accounts in id order, then insert postings and change balances in one
statement, so that the two cannot differ. All are idempotent. The SQL of credits is in crediting.py.

The program is a column of the staged rows and joined like the others: with a constant, the planner
would take a table without statistics for nearly empty and scan it for every chunk.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final, LiteralString

import polars as pl
import psycopg
from psycopg import errors, sql

from cardops.adapters.postgresql.accounts.crediting import CONTENT_HASH, post_credits
from cardops.adapters.postgresql.accounts.staging import CHUNK, Chunk, Stage
from cardops.rules.intake.files import FileRecalledError, FileStatus

# For sessions that post chunks: index look-ups, whatever the size of a table.
LOOK_UPS: Final = (
    "-cenable_hashjoin=off",
    "-cenable_mergejoin=off",
    "-crandom_page_cost=1.1",
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

# Credits the deposits whose latest credit was recalled, with the content of the staged rows.
_REINSTATE: Final = """
with latest as (
    select s.*, {content_hash} as content_hash, coalesce(i.credit_number, 1) as credit_number
    from (select s.* {chunk}) as s
    join deposit_events as e on e.program = s.program and e.deposit_id = s.deposit_id
    left join lateral (
        select max(i.credit_number) as credit_number from deposit_reinstatements as i
        where i.program = s.program and i.deposit_id = s.deposit_id
    ) as i on true
),
fresh as (
    select l.*, a.ledger_seq + row_number() over (
        partition by l.user_id, l.currency order by l.row_number
    ) as next_seq
    from latest as l
    join accounts as a
        on a.program = l.program and a.user_id = l.user_id and a.currency = l.currency
    where
    -- guard-begin: reinstate-recalled-only
    exists (
        select from deposit_recalls as r
        where r.program = l.program and r.deposit_id = l.deposit_id
            and r.credit_number = l.credit_number
    )
    -- guard-end: reinstate-recalled-only
),
posted as (
    insert into deposit_reinstatements (
        program, deposit_id, credit_number, user_id, currency, amount_minor, occurred_at,
        intake_id, row_number, content_hash, reinstated_by, reason, ledger_seq, posted_at
    )
    select program, deposit_id, credit_number + 1, user_id, currency, amount_minor, occurred_at,
        {intake_id}, row_number, content_hash, %(requested_by)s, %(reason)s, next_seq,
        statement_timestamp()
    from fresh order by deposit_id
    on conflict (program, deposit_id, credit_number) do nothing
    returning program, user_id, currency, amount_minor as change_minor, ledger_seq
),
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
            and r.credit_number = s.credit_number
    )
),
posted as (
    insert into deposit_recalls (
        program, deposit_id, credit_number, user_id, currency, amount_minor, recalled_by,
        ledger_seq, posted_at
    )
    select program, deposit_id, credit_number, user_id, currency, amount_minor, %(recalled_by)s,
        next_seq, statement_timestamp()
    from fresh order by deposit_id
    on conflict (program, deposit_id, credit_number) do nothing
    returning program, user_id, currency, -amount_minor as change_minor, ledger_seq
),
"""

# Ends each of the statements above: balances change by what was posted, and whether all of it was.
# The held amount is added and taken away, so that a ledger balance beyond i64 is an error too.
_CHANGE_BALANCES: Final = """
sums as (
    select program, user_id, currency, sum(change_minor)::bigint as change_minor,
        max(ledger_seq) as ledger_seq
    from posted group by program, user_id, currency
),
changed as (
    update accounts as a
    set available_minor = a.available_minor + a.held_minor + sums.change_minor - a.held_minor,
        ledger_seq = sums.ledger_seq
    from sums
    where a.program = sums.program and a.user_id = sums.user_id and a.currency = sums.currency
)
select (select count(*) from fresh) = (select count(*) from posted)
"""


@dataclass(frozen=True, slots=True)
class ReinstatementRequest:
    """Who requested that a file's recalled deposits be credited again, and why."""

    requested_by: str
    reason: str


def credit_chunk(
    session: psycopg.Connection,
    stage: Stage,
    chunk: Chunk,
    request: ReinstatementRequest | None = None,
) -> pl.DataFrame:
    """Credit the chunk's deposits that were not credited before, and recalled ones if requested.

    Returns the rows that were credited for the first time: row_number, ledger_seq.
    Raises FileRecalledError where the file was recalled meanwhile, and
    psycopg.errors.NumericValueOutOfRange where a balance would no longer be an i64.
    """
    # Not flushed: what spends a credit flushes it (docs/decisions/0046). The id comes before the
    # instants of the postings, so that a day can be closed by transaction ids.
    session.execute("select set_config('synchronous_commit', 'off', true), pg_current_xact_id()")
    _refuse_recalled(session, stage)
    credited = post_credits(session, stage, chunk)
    if request is not None:
        _reinstate(session, stage, chunk, request)
    return credited


def recall_chunk(
    session: psycopg.Connection, stage: Stage, chunk: Chunk, *, recalled_by: str
) -> None:
    """Take the chunk's deposits back, even if a balance becomes negative."""
    values = chunk.values()
    session.execute(_statement(stage, _LOCK_ACCOUNTS), values)
    _post(session, stage, _RECALL, {**values, "recalled_by": recalled_by})


def _reinstate(
    session: psycopg.Connection, stage: Stage, chunk: Chunk, request: ReinstatementRequest
) -> None:
    values = chunk.values()
    opened = session.execute(_statement(stage, _OPEN_ACCOUNTS), values).rowcount
    session.execute(_statement(stage, _LOCK_ACCOUNTS), values)
    _post(session, stage, _REINSTATE, {**values, **asdict(request)})
    if opened:
        session.execute(_statement(stage, _CLOSE_UNUSED), values)


def _refuse_recalled(session: psycopg.Connection, stage: Stage) -> None:
    """Locks the entries, so that a file is recalled before or after this chunk, not during it."""
    rows = session.execute(
        "select status from intake_files where intake_id = any(%s) order by intake_id for share",
        [stage.origin.intake_ids],
    ).fetchall()
    if (FileStatus.RECALLED,) in rows:  # guard: recalled-file
        raise FileRecalledError(stage.intake_file)


def _post(
    session: psycopg.Connection, stage: Stage, text: LiteralString, values: Mapping[str, object]
) -> None:
    row = session.execute(_statement(stage, text + _CHANGE_BALANCES), values).fetchone()
    if row is None or not row[0]:  # guard: posting-sequence
        # Another file posted one of these deposits at the same moment. Its number in the account's
        # sequence would stay unused; the next attempt sees that posting and numbers without a gap.
        raise errors.SerializationFailure("a deposit was posted by another file meanwhile")


def _statement(stage: Stage, text: LiteralString) -> sql.Composed:
    return stage.sql(text, chunk=stage.sql(CHUNK), content_hash=CONTENT_HASH)
