"""The statements of the money path: everything by key, three round trips a batch.

Belongs here: SQL text and nothing else. Portable on purpose: no function, trigger or sequence.
"""

from typing import Final

# A void of an id not seen yet takes the program's row exclusively, so that it cannot pass a
# decision in flight; batches share it. In the round trip of BEGIN; a name is [a-z0-9-] only.
BEGIN: Final = (
    "begin isolation level read committed; "
    "select 1 from programs where program in ({programs}) order by program for key share"
)
LOCK_PROGRAM: Final = "select currency from programs where program = $1 for update"

# $1-$3: distinct accounts; $4, $5: distinct ids. Of limits only what they are: what is
# used of them must be read by a later snapshot (limit_rows.py), and seldom is.
LOCK_AND_READ: Final = """
with asked as (
    select * from unnest($1::text[], $2::text[], $3::text[]) as a (program, user_id, currency)
),
ids as (
    select * from unnest($4::text[], $5::text[]) as i (program, transaction_id)
),
locked as materialized (
    select a.program, a.user_id, a.currency, a.available_minor, a.held_minor, a.ledger_seq
    from asked
    inner join accounts as a
        on a.program = asked.program
        and a.user_id = asked.user_id
        and a.currency = asked.currency
    order by a.program, a.user_id, a.currency
    {lock}
)
select
    'account' as tag, l.program, l.user_id as name, l.currency,
    l.available_minor, l.held_minor, l.ledger_seq, coalesce(u.is_blocked, false) as is_blocked,
    null::bytea as question_hash, null::bytea as answer
from locked as l
left join users as u on u.program = l.program and u.user_id = l.user_id
union all
select
    'decision', d.program, d.transaction_id, null, null, null, null, null,
    d.question_hash, d.answer
from ids
inner join decisions as d on d.program = ids.program and d.transaction_id = ids.transaction_id
union all
select 'void', ids.program, ids.transaction_id, null, null, null, null, null, null, null
from ids
cross join lateral (
    select 1 from movements as m
    where
        m.program = ids.program and m.transaction_id = ids.transaction_id
        and m.kind = 'void' and m.movement_key = ''
    limit 1
) as v
union all
select
    s.kind, s.program, s.user_id, s.currency, s.max_amount_minor, s.max_count, s.window_seconds,
    null, null, null
from (
    select program, user_id, currency from asked
    union all
    select distinct program, '', currency from asked
) as a
cross join lateral (
    select * from spending_limits as sl
    where sl.program = a.program and sl.user_id = a.user_id and sl.currency = a.currency
    offset 0
) as s
where exists (select 1 from spending_limits)
"""
# What is to be known of accounts that are not there. One made since they were looked for is none.
ABSENT: Final = """
select
    asked.program, asked.user_id, asked.currency,
    exists (
        select 1 from accounts as o
        where
            o.program = asked.program and o.user_id = asked.user_id
            and o.currency <> asked.currency
    ) as is_known,
    coalesce((
        select u.is_blocked from users as u
        where u.program = asked.program and u.user_id = asked.user_id
    ), false) as is_blocked
from unnest($1::text[], $2::text[], $3::text[]) as asked (program, user_id, currency)
"""
READ_ONLY: Final = LOCK_AND_READ.format(lock="")
READ_LOCKED: Final = LOCK_AND_READ.format(lock="for update of a")

# $1-$16 decisions by column, $17 the instant, $18 when a hold ends, $19-$25 accounts that change.
# The guard stands in the statement that debits; the caller counts the rows that passed it.
WRITE: Final = """
with decided as (
    select * from unnest(
        $1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::bigint[],
        $8::boolean[], $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::bytea[],
        $14::text[], $15::text[], $16::text[], $24::text[], $25::text[], $26::boolean[]
    ) as d (
        program, transaction_id, authorization_id, question_hash, user_id, currency, amount_minor,
        is_capture, status, reason_code, remaining_minor, ledger_seq, answer,
        details, key_id, request_id, callback_id, url, is_test
    )
),
written as (
    insert into decisions (
        program, transaction_id, authorization_id, question_hash, user_id, currency, amount_minor,
        is_capture, status, reason_code, remaining_minor, ledger_seq, answer,
        details, key_id, request_id, decided_at
    )
    select
        program, transaction_id, authorization_id, question_hash, user_id, currency, amount_minor,
        is_capture, status, reason_code, remaining_minor, ledger_seq, answer,
        details::jsonb, key_id, request_id, $17::timestamptz
    from decided
),
debited as (
    update accounts as a
    set
        available_minor = a.available_minor - t.taken_minor,
        held_minor = a.held_minor + t.held_minor,
        ledger_seq = t.ledger_seq
    from unnest($19::text[], $20::text[], $21::text[], $22::bigint[], $23::bigint[], $27::bigint[])
        as t (program, user_id, currency, taken_minor, held_minor, ledger_seq)
    where
        a.program = t.program and a.user_id = t.user_id and a.currency = t.currency
        and a.available_minor >= t.taken_minor
    returning 1
),
held as (
    insert into holds (
        program, transaction_id, user_id, currency, state, held_minor, expires_at
    )
    select
        program, transaction_id, user_id, currency, 'held', amount_minor, $18::timestamptz
    from decided
    where status = 'PERMIT' and not is_capture
),
owed as (
    insert into callbacks (
        callback_id, program, transaction_id, url, is_test, body, next_attempt_at, created_at,
        request_id
    )
    select
        callback_id, program, transaction_id, url, is_test, answer,
        $17::timestamptz, $17::timestamptz, request_id
    from decided
    where url is not null
)
select count(*) from debited
"""

FIND_DECISION: Final = """
select
    d.user_id, d.currency, d.amount_minor, d.is_capture, d.status, d.answer,
    h.state, h.held_minor, h.captured_minor, h.expires_at,
    (
        select coalesce(sum(m.posted_minor), 0)::bigint from movements as m
        where
            m.program = d.program and m.transaction_id = d.transaction_id and m.kind = 'refund'
    ) as refunded_minor
from decisions as d
left join holds as h on h.program = d.program and h.transaction_id = d.transaction_id
where d.program = $1 and d.transaction_id = $2
"""
FIND_MOVEMENT: Final = """
select amount_minor, held_change_minor, answer
from movements
where program = $1 and transaction_id = $2 and kind = $3 and movement_key = $4
"""
LOCK_ACCOUNT: Final = """
select a.available_minor, a.held_minor, a.ledger_seq,
    coalesce((
        select u.is_blocked from users as u where u.program = a.program and u.user_id = a.user_id
    ), false) as is_blocked
from accounts as a
where a.program = $1 and a.user_id = $2 and a.currency = $3
for update of a
"""
ACCOUNTS: Final = """
select program, user_id, currency, available_minor, held_minor, ledger_seq
from accounts
where program = $1 and user_id = $2
order by currency
"""
PROGRAM_CURRENCY: Final = "select currency from programs where program = $1"
INSERT_MOVEMENT: Final = """
insert into movements (
    program, transaction_id, kind, movement_key, user_id, currency, status, reason_code,
    amount_minor, posted_minor, held_change_minor, ledger_seq, answer, key_id, request_id, posted_at
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
"""
CHANGE_ACCOUNT: Final = """
update accounts
set
    available_minor = available_minor + $4::bigint,
    held_minor = held_minor + $5::bigint,
    ledger_seq = $6
where
    program = $1 and user_id = $2 and currency = $3
    and ($4::bigint >= 0 or available_minor + $4::bigint >= 0)
"""
CHANGE_HOLD: Final = """
update holds set state = $3, held_minor = $4, captured_minor = $5
where program = $1 and transaction_id = $2
"""
OLDEST_OVERDUE_HOLD: Final = """
select expires_at from holds where state = 'held' and expires_at <= $1
order by expires_at
limit 1
"""
OVERDUE_HOLDS: Final = """
select program, transaction_id
from holds
where state = 'held' and expires_at <= $1
order by expires_at
limit $2
"""
