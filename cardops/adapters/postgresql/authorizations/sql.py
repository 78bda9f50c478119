"""The SQL of authorizations: every access by key, two round trips per batch.

Belongs here: SQL text and nothing else. Portable on purpose: no function, trigger or sequence.
A comment `guard: <name>` marks a line that keeps money safe; tests/faults/test_guards_removed.py
removes each and expects a test to fail.
"""

from collections.abc import Mapping
from functools import cache
from typing import Final

# A column is sent as one text with this separator: a fifth of the client's cost of arrays
# (decision 0004). No valid value contains it: ids have a strict form and JSON escapes it.
SEPARATOR: Final = "\x1f"


def rows_of(first: int, columns: Mapping[str, str]) -> str:
    """The columns from parameter number `first` on, as rows of `t`; an empty text is null."""
    texts = ", ".join(
        f"string_to_array(${number}, e'\\x1f', '')::{kind}[]"
        for number, kind in enumerate(columns.values(), first)
    )
    return f"unnest({texts}) as t ({', '.join(columns)})"


# A statement's snapshot must be younger than its table locks (writers.py), whatever the default.
BEGIN: Final = "begin isolation level read committed"

# $1-$3: distinct accounts; $4, $5: distinct ids; $6: distinct programs. The limits come without
# their usage, which needs a later snapshot (limit_rows.py) and is seldom needed. The instant comes
# last: where the statement locks, it is read once the locks are there.
_READ: Final = """
with requested as (
    select * from {accounts}
),
ids as (
    select * from {ids}
),
read as materialized (
    select
        a.program, a.user_id, a.currency, a.available_minor, a.held_minor, a.ledger_seq, a.revision
    from requested
    inner join accounts as a
        on a.program = requested.program
        and a.user_id = requested.user_id
        and a.currency = requested.currency
    {lock}
)
select
    'account' as tag, r.program, r.user_id as name, r.currency,
    r.available_minor, r.held_minor, r.ledger_seq, coalesce(u.is_blocked, false) as is_blocked,
    {revision} as revision, null::bytea as question_hash, null::bytea as answer
from read as r
left join users as u on u.program = r.program and u.user_id = r.user_id
union all
select
    'decision', d.program, d.transaction_id, null, null, null, null, null, null,
    d.question_hash, d.answer
from ids
inner join decisions as d on d.program = ids.program and d.transaction_id = ids.transaction_id
union all
select 'void', v.program, v.transaction_id, null, null, null, null, null, null, null, null
from ids
inner join voided_ids as v on v.program = ids.program and v.transaction_id = ids.transaction_id
union all
select 'program', p.program, null, null, null, null, null, null, p.revision, null, null
from {programs}
inner join programs as p on p.program = t.program
union all
select
    s.kind, s.program, s.user_id, s.currency, s.max_amount_minor, s.max_count, s.window_seconds,
    null, null, null, null
from (
    select program, user_id, currency from requested
    union all
    select distinct program, '', currency from requested
) as a
cross join lateral (
    select * from spending_limits as sl
    where sl.program = a.program and sl.user_id = a.user_id and sl.currency = a.currency
    offset 0
) as s
where exists (select 1 from spending_limits)
union all
select
    'clock', null, null, null, (extract(epoch from clock_timestamp()) * 1000000)::bigint, null,
    null, null, null, null, null
"""
_KEYS: Final = {
    "accounts": rows_of(1, {"program": "text", "user_id": "text", "currency": "text"}),
    "ids": rows_of(4, {"program": "text", "transaction_id": "text"}),
    "programs": rows_of(6, {"program": "text"}),
}
READ: Final = _READ.format(**_KEYS, lock="", revision="r.revision")
# Everything but the locked balances is as of the statement's snapshot, which may be older than the
# locks. So is this revision: with the locked row's own, the write would not notice a block that was
# committed while this statement waited.
_REVISION_OF_SNAPSHOT: Final = """(
        select s.revision from accounts as s
        where s.program = r.program and s.user_id = r.user_id and s.currency = r.currency
    )"""
READ_LOCKED: Final = _READ.format(
    **_KEYS,
    lock="order by a.program, a.user_id, a.currency for update of a",  # guard: read-lock-order
    revision=_REVISION_OF_SNAPSHOT,  # guard: locked-read-revision
)
# What a decision needs to know about missing accounts. One created since the first read stays
# missing for this batch.
ABSENT: Final = """
select
    missing.program, missing.user_id, missing.currency,
    exists (
        select 1 from accounts as o
        where
            o.program = missing.program and o.user_id = missing.user_id
            and o.currency <> missing.currency
    ) as is_known,
    coalesce((
        select u.is_blocked from users as u
        where u.program = missing.program and u.user_id = missing.user_id
    ), false) as is_blocked
from unnest($1::text[], $2::text[], $3::text[]) as missing (program, user_id, currency)
"""
_DECISION: Final = {
    "program": "text", "transaction_id": "text", "authorization_id": "text",
    "question_hash": "text", "user_id": "text", "currency": "text", "amount_minor": "bigint",
    "is_capture": "boolean", "status": "text", "reason_code": "text", "remaining_minor": "bigint",
    "ledger_seq": "bigint", "answer": "text", "details": "jsonb", "key_id": "text",
    "request_id": "text",
}  # fmt: skip
_DEBIT: Final = {
    "program": "text", "user_id": "text", "currency": "text", "debit_minor": "bigint",
    "held_minor": "bigint", "ledger_seq": "bigint", "seq_before": "bigint", "revision": "bigint",
}  # fmt: skip
_PROGRAM: Final = {"program": "text", "revision": "bigint"}
FIRST_COLUMN: Final = 6
_CALLBACK: Final = {"callback_id": "text", "url": "text", "is_test": "boolean"}

# $1: the instant of the decisions; $2, $3: number of accounts and of programs; $4: number of ids that
# were voided before; $5: deadline of the write, by which the transaction has its id
# (transaction_log.py closes days by transaction ids); then the columns above, in this order.
# Lock order, as everywhere: accounts, ids; each kind in its own order.
# The guard against overdrafts is in the statement that debits. If anything that was read without a
# lock has changed since, nothing may be committed; the only way for one statement to do that is to
# fail, here by a division by zero. Accounts are compared in their newest version; programs and
# voided ids as of this statement's snapshot, and whoever changes those waits for the statements
# whose snapshot may be older (writers.py).
_WRITE: Final = """
with decided as (
    select * from {decided}
),
written as (
    insert into decisions (
        program, transaction_id, authorization_id, question_hash, user_id, currency, amount_minor,
        is_capture, status, reason_code, remaining_minor, ledger_seq, answer,
        details, key_id, request_id, decided_at
    )
    select
        program, transaction_id, authorization_id, decode(question_hash, 'hex'), user_id, currency,
        amount_minor, is_capture, status, reason_code, remaining_minor, ledger_seq,
        convert_to(answer, 'UTF8'), {details}, key_id, request_id, $1::timestamptz
    from decided
),
debited as (
    update accounts as a
    set
        available_minor = a.available_minor - t.debit_minor,
        held_minor = a.held_minor + t.held_minor,
        ledger_seq = t.ledger_seq
    from (
        select * from {debits}
        order by program, user_id, currency -- guard: debit-lock-order
    ) as t
    where
        a.user_id = t.user_id and a.currency = t.currency
        and a.program = t.program -- guard: debit-program
        and a.ledger_seq = t.seq_before -- guard: debit-unchanged-account
        and a.revision = t.revision -- guard: debit-unchanged-revision
        and a.available_minor >= t.debit_minor -- guard: debit-covered
    returning 1
){held}{callbacks}
select 1 / (
    clock_timestamp() < $5::timestamptz
    and (select count(*) from debited) = $2::bigint
    and (
        select count(*)
        from {programs}
        inner join programs as p
            on p.program = t.program
            and p.revision = t.revision -- guard: program-revision
    ) = $3::bigint
    -- guard-begin: voided-ids
    and (
        select count(*)
        from decided as d
        inner join voided_ids as v
            on v.program = d.program and v.transaction_id = d.transaction_id
    ) = $4::bigint
    -- guard-end: voided-ids
)::integer
"""
_HELD: Final = """,
held as (
    insert into holds (
        program, transaction_id, user_id, currency, state, held_minor, expires_at
    )
    select
        program, transaction_id, user_id, currency, 'held', amount_minor, {hold_ends_at}
    from decided
    where status = 'PERMIT' and not is_capture
)"""
_CALLBACKS: Final = """,
pending_callbacks as (
    insert into callbacks (
        callback_id, program, transaction_id, url, is_test, body, next_attempt_at, created_at,
        request_id
    )
    select
        callback_id, program, transaction_id, url, is_test, convert_to(answer, 'UTF8'),
        $1::timestamptz, $1::timestamptz, request_id
    from decided
    where url is not null
)"""

# So that a callback that is missing is noticed (reconciliation/authorization_checks.py).
_DETAILS_WITH_CALLBACK: Final = """case when url is null then details else
            coalesce(details, '{}'::jsonb) || jsonb_build_object('callback_id', callback_id)
        end"""


@cache
def write_statement(*, has_callbacks: bool, has_holds: bool) -> str:
    """Decisions, debits, holds and callbacks in one commit; the holds' end is the last argument."""
    columns = {**_DECISION, **(_CALLBACK if has_callbacks else {})}
    decided = rows_of(FIRST_COLUMN, columns)
    debits = rows_of(FIRST_COLUMN + len(columns), _DEBIT)
    position = FIRST_COLUMN + len(columns) + len(_DEBIT)
    hold_ends_at = f"${position + len(_PROGRAM)}::timestamptz"
    return _WRITE.format(
        decided=decided,
        debits=debits,
        programs=rows_of(position, _PROGRAM),
        held=_HELD.format(hold_ends_at=hold_ends_at) if has_holds else "",
        callbacks=_CALLBACKS if has_callbacks else "",
        details=_DETAILS_WITH_CALLBACK if has_callbacks else "details",
    )


ACCOUNTS: Final = """
select program, user_id, currency, available_minor, held_minor, ledger_seq
from accounts
where program = $1 and user_id = $2
order by currency
"""
PROGRAM_CURRENCY: Final = "select currency from programs where program = $1"
