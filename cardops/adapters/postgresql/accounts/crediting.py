"""The SQL that credits one chunk of staged rows, and finds what does not fit into an account.

One statement locks the chunk's accounts in id order, inserts the deposits and changes balances, so
that each account is looked up as seldom as possible while others may wait for it.
"""

from typing import Any, Final

import numpy as np
import polars as pl
import psycopg
from psycopg import errors, sql

from cardops.adapters.postgresql.accounts.staging import CHUNK, Chunk, Stage
from cardops.rules.accounts.ledger import amounts_beyond_range

# What a chunk credited: the row in its file, and its number in its account's sequence.
CREDITED: Final = pl.Schema({"row_number": pl.Int64(), "ledger_seq": pl.Int64()})

# Two deposits are the same if user, currency, minor units and the instant (microseconds) agree.
# Ids contain no vertical bar, so no two contents have the same text.
CONTENT_HASH: Final = sql.SQL(
    "sha256(convert_to(s.user_id || '|' || s.currency || '|' || s.amount_minor || '|' ||"
    " (extract(epoch from s.occurred_at) * 1000000)::bigint, 'UTF8'))"
)

_NOT_POSTED: Final = (
    "and not exists (select from deposit_events as e"
    " where e.program = s.program and e.deposit_id = s.deposit_id)"
)

# The lateral subquery with "for update" runs key by key, so it locks in this order, and returns what
# was last committed. The instant is read after that, so an account's rows are in its posting order.
# The update finds an account by its key alone, as it was before the statement, and then changes what
# is locked: with a condition on its sequence, an account for which the lock waited would not be found.
# The held amount is added and taken away, so that a ledger balance beyond i64 is an error too.
_CREDIT: Final = """
with locked as materialized (
    select k.*, a.ledger_seq
    from (
        select s.program, s.user_id, s.currency, sum(s.amount_minor)::bigint as change_minor,
            count(*) as row_count,
            array_agg(s.row_number order by s.row_number) as row_numbers,
            array_agg(s.deposit_id order by s.row_number) as deposit_ids,
            array_agg(s.amount_minor order by s.row_number) as amounts,
            array_agg(s.occurred_at order by s.row_number) as instants
        {chunk} {not_posted}
        group by s.program, s.user_id, s.currency
        order by s.program, s.user_id, s.currency
    ) as k
    left join lateral (
        select a.ledger_seq from accounts as a
        where a.program = k.program and a.user_id = k.user_id and a.currency = k.currency
        for update
    ) as a on true
),
instant as materialized (
    select clock_timestamp() as posted_at from (select count(*) as n from locked) as l where n > 0
),
posted as (
    insert into deposit_events (
        program, deposit_id, user_id, currency, amount_minor, occurred_at,
        intake_id, row_number, content_hash, ledger_seq, posted_at
    )
    select s.program, s.deposit_id, s.user_id, s.currency, s.amount_minor, s.occurred_at,
        {intake_id}, {file_row}, {content_hash}, s.ledger_seq, s.posted_at
    from (
        select l.program, l.user_id, l.currency, i.posted_at, r.row_number, r.deposit_id,
            r.amount_minor, r.occurred_at, coalesce(l.ledger_seq, 0) + r.place as ledger_seq
        from locked as l
        cross join instant as i
        cross join lateral unnest(l.row_numbers, l.deposit_ids, l.amounts, l.instants)
            with ordinality as r (row_number, deposit_id, amount_minor, occurred_at, place)
    ) as s
    order by s.deposit_id
    returning row_number, ledger_seq
),
opened as (
    insert into accounts (program, user_id, currency, available_minor, ledger_seq)
    select program, user_id, currency, change_minor, row_count from locked
    where ledger_seq is null and (select count(*) from posted) > 0
    order by program, user_id, currency
    returning 1
),
changed as (
    update accounts as a
    set available_minor = a.available_minor + a.held_minor + l.change_minor - a.held_minor,
        ledger_seq = a.ledger_seq + l.row_count
    from locked as l
    where a.program = l.program and a.user_id = l.user_id and a.currency = l.currency
        and l.ledger_seq is not null
    returning a.ledger_seq = l.ledger_seq + l.row_count as is_next
)
select (select count(*) from locked)
    = (select count(*) from opened) + (select count(*) from changed where is_next) as is_complete,
    p.*
from (
    select string_agg(int8send(row_number), '') as row_numbers,
        string_agg(int8send(ledger_seq), '') as sequences
    from posted
) as p
"""

_CANDIDATES: Final = """
select s.user_id, s.currency, s.row_number, s.amount_minor,
    coalesce(a.available_minor::numeric + a.held_minor, 0)
from (select s.* {chunk}) as s
left join accounts as a
    on a.program = s.program and a.user_id = s.user_id and a.currency = s.currency
where case when %(is_requested)s
    then not exists (
        select from standing_deposits as d
        where d.program = s.program and d.deposit_id = s.deposit_id
    )
    else not exists (
        select from deposit_events as e
        where e.program = s.program and e.deposit_id = s.deposit_id
    )
end
order by s.user_id, s.row_number
"""


def integers(packed: bytes | None) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Integers as PostgreSQL sends them: one value for thousands, instead of a row for each."""
    return np.frombuffer(packed or b"", dtype=">i8").astype(np.int64)


def post_credits(session: psycopg.Connection, stage: Stage, chunk: Chunk) -> pl.DataFrame:
    """Credit the chunk's deposits that no file has credited before; these rows (CREDITED).

    A file's deposits are taken for new until one of them is not: looking each of them up beforehand
    would double the time for which accounts are locked.
    """
    not_posted = sql.SQL(_NOT_POSTED if stage.has_posted_rows else "")
    statement = stage.sql(
        _CREDIT, chunk=stage.sql(CHUNK), content_hash=CONTENT_HASH, not_posted=not_posted
    )
    try:
        row = session.execute(statement, chunk.values(), binary=True).fetchone()
    except errors.UniqueViolation as error:
        # Credited before, or at this moment by another file, as may be an account that was opened.
        stage.has_posted_rows = True
        raise errors.SerializationFailure("a deposit or account was posted meanwhile") from error
    if row is None or not row[0]:
        raise errors.SerializationFailure("an account changed after it was locked")
    return pl.DataFrame(list(map(integers, row[1:])), schema=CREDITED)


def refuse_beyond_range(
    session: psycopg.Connection, stage: Stage, chunk: Chunk, *, is_requested: bool
) -> None:
    """Refuse those rows of the chunk with which a ledger balance would no longer be an i64.

    `is_requested`: recalled deposits are credited too, because a reinstatement was requested.
    """
    stage.has_posted_rows = True  # the sum that is too large may be one of deposits credited before
    rows = session.execute(
        stage.sql(_CANDIDATES, chunk=stage.sql(CHUNK)),
        {**chunk.values(), "is_requested": is_requested},
    ).fetchall()
    accounts: dict[tuple[str, str], tuple[int, list[tuple[int, int]]]] = {}
    for user_id, currency, row_number, amount_minor, balance_minor in rows:
        account = accounts.setdefault((user_id, currency), (int(balance_minor), []))
        account[1].append((row_number, amount_minor))
    refused = [
        number
        for balance_minor, deposits in accounts.values()
        for number in amounts_beyond_range(balance_minor, deposits)
    ]
    stage.refuse(session, chunk, refused)
