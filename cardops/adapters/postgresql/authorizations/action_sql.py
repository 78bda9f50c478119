"""The SQL of actions and of the sweeper: every access by key, two round trips per batch.

Belongs here: SQL text and nothing else. Portable on purpose, like sql.py, whose form of columns and
guards it shares.
"""

from typing import Final

from cardops.adapters.postgresql.authorizations.sql import rows_of

_ACTION: Final = {
    "program": "text", "transaction_id": "text", "kind": "text", "movement_key": "text",
}  # fmt: skip
_ID: Final = {"program": "text", "transaction_id": "text"}
_ACCOUNT: Final = {"program": "text", "user_id": "text", "currency": "text"}

# $1-$4: the actions. One row each: the authorization, its hold, refunds and account, and the action
# that was done before under the same key; all from one snapshot, with its instant.
READ: Final = f"""
select
    t.program, t.transaction_id, t.kind, coalesce(t.movement_key, '') as movement_key,
    d.user_id, d.currency, d.amount_minor, d.is_capture, d.status, d.answer,
    h.state, h.held_minor, h.captured_minor, h.expires_at,
    (
        select coalesce(sum(r.posted_minor), 0)::bigint from movements as r
        where
            r.program = t.program and r.transaction_id = t.transaction_id and r.kind = 'refund'
    ) as refunded_minor,
    a.available_minor, a.held_minor as account_held_minor, a.ledger_seq, a.revision,
    p.revision as program_revision,
    coalesce(u.is_blocked, false) as is_blocked,
    m.amount_minor as earlier_amount_minor, m.held_change_minor as earlier_held_change_minor,
    m.answer as earlier_answer,
    t.kind = 'increment' and exists (
        select 1 from spending_limits as s
        where
            s.program = d.program and s.user_id in ('', d.user_id) and s.currency = d.currency
    ) as has_limits,
    statement_timestamp() as at
from {rows_of(1, _ACTION)}
inner join programs as p on p.program = t.program
left join decisions as d on d.program = t.program and d.transaction_id = t.transaction_id
left join holds as h on h.program = d.program and h.transaction_id = d.transaction_id
left join accounts as a
    on a.program = d.program and a.user_id = d.user_id and a.currency = d.currency
left join users as u on u.program = d.program and u.user_id = d.user_id
left join movements as m
    on m.program = t.program and m.transaction_id = t.transaction_id
    and m.kind = t.kind and m.movement_key = coalesce(t.movement_key, '')
"""  # noqa: S608 - built from constants
# $1-$3: accounts with an increment.
LIMITS: Final = f"""
select t.program, s.user_id, t.currency, s.kind, s.max_amount_minor, s.max_count, s.window_seconds
from {rows_of(1, _ACCOUNT)}
inner join spending_limits as s
    on s.program = t.program and s.user_id in ('', t.user_id) and s.currency = t.currency
"""  # noqa: S608 - built from constants
# $1, $2: authorizations. The accounts that they name never change.
ACCOUNTS_OF: Final = f"""
select d.program, d.transaction_id, d.user_id, d.currency
from {rows_of(1, _ID)}
inner join decisions as d on d.program = t.program and d.transaction_id = t.transaction_id
"""  # noqa: S608 - built from constants
# $1, $2: authorizations. What the batch reads afterwards cannot change until it is committed.
LOCK_ACCOUNTS: Final = f"""
with touched as materialized (
    select distinct d.program, d.user_id, d.currency
    from {rows_of(1, _ID)}
    inner join decisions as d on d.program = t.program and d.transaction_id = t.transaction_id
)
select 1
from touched
inner join accounts as a
    on a.program = touched.program
    and a.user_id = touched.user_id
    and a.currency = touched.currency
order by a.program, a.user_id, a.currency
for update of a -- guard: action-account-lock
"""  # noqa: S608 - built from constants
# $1-$3: accounts. Those that another session has locked: it waits for none of them.
LOCKED_ACCOUNTS: Final = f"""
with requested as materialized (
    select * from {rows_of(1, _ACCOUNT)}
),
free as materialized (
    select a.program, a.user_id, a.currency
    from requested
    inner join accounts as a
        on a.program = requested.program
        and a.user_id = requested.user_id
        and a.currency = requested.currency
    for update of a skip locked
)
select a.program, a.user_id, a.currency
from requested
inner join accounts as a
    on a.program = requested.program
    and a.user_id = requested.user_id
    and a.currency = requested.currency
where not exists (
    select 1 from free as f
    where f.program = a.program and f.user_id = a.user_id and f.currency = a.currency
)
"""  # noqa: S608 - built from constants

_MOVEMENT: Final = {
    **_ACTION, "user_id": "text", "currency": "text", "status": "text", "reason_code": "text",
    "amount_minor": "bigint", "posted_minor": "bigint", "held_change_minor": "bigint",
    "ledger_seq": "bigint", "answer": "text", "key_id": "text", "request_id": "text",
}  # fmt: skip
_CHANGE: Final = {
    **_ACCOUNT, "available_change": "bigint", "held_change": "bigint", "ledger_seq": "bigint",
    "seq_before": "bigint", "revision": "bigint",
}  # fmt: skip
_HOLD: Final = {**_ID, "state": "text", "held_minor": "bigint", "captured_minor": "bigint"}
_PROGRAM: Final = {"program": "text", "revision": "bigint"}
_FIRST: Final = 6

# $1: the instant of the actions; $2-$4: number of accounts, of holds and of programs with increments;
# $5: deadline of the write, by which the transaction has its id (transaction_log.py closes days by
# transaction ids); then the columns above, in this order.
# Lock order: accounts, then ids. What was overtaken fails by a division by zero, as in sql.py. Each
# change of a hold changes its account's ledger_seq, so comparing that covers the holds as well.
# Revisions rise with blocks and limits, which an increment must obey like a new request.
WRITE: Final = f"""
with done as (
    select * from {rows_of(_FIRST, _MOVEMENT)}
),
written as (
    insert into movements (
        program, transaction_id, kind, movement_key, user_id, currency, status, reason_code,
        amount_minor, posted_minor, held_change_minor, ledger_seq, answer, key_id, request_id,
        posted_at
    )
    select
        program, transaction_id, kind, coalesce(movement_key, ''), user_id, currency, status,
        reason_code, amount_minor, posted_minor, held_change_minor, ledger_seq,
        convert_to(answer, 'UTF8'), key_id, request_id, $1::timestamptz
    from done
),
changed as (
    update accounts as a
    set
        available_minor = a.available_minor + t.available_change,
        held_minor = a.held_minor + t.held_change,
        ledger_seq = t.ledger_seq
    from (
        select * from {rows_of(_FIRST + len(_MOVEMENT), _CHANGE)}
        order by program, user_id, currency -- guard: action-lock-order
    ) as t
    where
        a.program = t.program and a.user_id = t.user_id and a.currency = t.currency
        and a.ledger_seq = t.seq_before -- guard: action-unchanged-account
        and a.revision = t.revision -- guard: action-unchanged-revision
        and (t.available_change >= 0 or a.available_minor + t.available_change >= 0)
    returning 1
),
changed_holds as (
    update holds as h
    set state = t.state, held_minor = t.held_minor, captured_minor = t.captured_minor
    from {rows_of(_FIRST + len(_MOVEMENT) + len(_CHANGE), _HOLD)}
    where h.program = t.program and h.transaction_id = t.transaction_id and h.state = 'held'
    returning 1
)
select 1 / (
    (select count(*) from changed) = $2::bigint
    and (select count(*) from changed_holds) = $3::bigint
    and (
        select count(*)
        from {rows_of(_FIRST + len(_MOVEMENT) + len(_CHANGE) + len(_HOLD), _PROGRAM)}
        inner join programs as p
            on p.program = t.program
            and p.revision = t.revision -- guard: action-program-revision
    ) = $4::bigint
    and clock_timestamp() < $5::timestamptz -- guard: action-write-deadline
)::integer
"""  # noqa: S608 - built from constants

# $1: how many; $2-$4: the hold to go on after.
_OVERDUE: Final = """
select expires_at, program, transaction_id, user_id, currency
from holds
where state = 'held' and expires_at <= statement_timestamp(){after}
order by expires_at, program, transaction_id
limit $1
"""
OVERDUE_HOLDS: Final = _OVERDUE.format(after="")
OVERDUE_HOLDS_AFTER: Final = _OVERDUE.format(
    after=" and expires_at >= $2\n    and (expires_at, program, transaction_id) > ($2, $3, $4)"
)
OLDEST_OVERDUE_HOLD: Final = """
select expires_at from holds
where state = 'held' and expires_at <= statement_timestamp()
order by expires_at
limit 1
"""
# $1: this process; $2: for how long. A process that dies or is paused loses the lease by itself.
TAKE_LEASE: Final = """
insert into sweeper_lease as l (name, holder, expires_at)
values ('sweeper', $1, clock_timestamp() + $2::interval)
on conflict (name) do update set holder = excluded.holder, expires_at = excluded.expires_at
where l.holder = excluded.holder or l.expires_at < clock_timestamp()
returning true
"""
