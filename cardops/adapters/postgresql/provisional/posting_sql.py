"""The SQL of one posting of a dispute: its row and the balance in one statement.

Belongs here: SQL text. The account is locked by a statement before, so that this one sees whatever
another process has posted to it, and takes the next number.
"""

from typing import Final, LiteralString

LOCK_ACCOUNT: Final = """
select 1 from accounts
where program = %(program)s and user_id = %(user_id)s and currency = %(currency)s
for update -- guard: provisional-account-lock
"""
# The account of an end is the credit's, whoever the purchase's user is said to be by now.
ACCOUNT_OF_CREDIT: Final = """
select user_id, currency from provisional_postings
where program = %(program)s and network = %(network)s and case_number = %(case_number)s
    and step = 'credit'
"""
# Whoever replaces a decision locks it as well, so the last one stays the last until the posting is made.
LOCK_DECISION: Final = """
select 1 from provisional_decisions
where program = %(program)s and network = %(network)s and case_number = %(case_number)s
    and decision_number = %(decision_number)s
for update
"""
LAST_DECISION: Final = """
select max(decision_number) from provisional_decisions
where program = %(program)s and network = %(network)s and case_number = %(case_number)s
"""
# What the ledger shows of the purchase: debited and not refunded. A purchase without a decision was not
# authorized here; its processor's amount limits it then.
_LIMIT: Final[LiteralString] = """
purchase as (
    select least(%(purchase_minor)s, coalesce((
        select case when d.status = 'PERMIT' and d.is_capture then d.amount_minor else 0 end
            - coalesce((
                select sum(m.posted_minor) from movements as m
                where m.program = d.program and m.transaction_id = d.transaction_id
            ), 0)
        from decisions as d
        where d.program = %(program)s and d.transaction_id = %(transaction_id)s
    ), %(purchase_minor)s)) - coalesce((
        select sum(case p.kind when 'credit_taken_back' then -p.amount_minor else p.amount_minor end)
        from provisional_postings as p
        where p.program = %(program)s and p.transaction_id = %(transaction_id)s
    ), 0) as left_minor
)
"""
_PUT: Final[LiteralString] = """
posted as (
    insert into provisional_postings (
        program, network, case_number, step, kind, transaction_id, user_id, currency, amount_minor,
        policy, due_on, ledger_seq, posted_at, decision_number
    )
    select %(program)s, %(network)s, %(case_number)s, step, kind, transaction_id, user_id, currency,
        amount_minor, %(policy)s, %(due_on)s, next_seq, statement_timestamp(), %(decision_number)s
    from fresh
    on conflict (program, network, case_number, step) do nothing
    returning user_id, currency, ledger_seq,
        case kind when 'credit_taken_back' then -amount_minor else amount_minor end as change_minor
),
changed as (
    update accounts as a
    set available_minor = a.available_minor + a.held_minor + posted.change_minor - a.held_minor,
        ledger_seq = posted.ledger_seq
    from posted
    where a.program = %(program)s and a.user_id = posted.user_id and a.currency = posted.currency
    returning a.available_minor
)
select (select count(*) from fresh) = (select count(*) from changed),
    (select max(available_minor) from changed),
    exists (
        select from provisional_postings
        where program = %(program)s and network = %(network)s and case_number = %(case_number)s
            and step = %(step)s
    )
"""
_FRESH_CREDIT: Final[LiteralString] = """,
fresh as (
    select 'credit' as step, %(kind)s::text as kind, %(transaction_id)s::text as transaction_id,
        a.user_id, a.currency, %(amount_minor)s::bigint as amount_minor, a.ledger_seq + 1 as next_seq
    from accounts as a
    cross join purchase
    where a.program = %(program)s and a.user_id = %(user_id)s and a.currency = %(currency)s
        and %(amount_minor)s <= purchase.left_minor -- guard: credit-within-purchase
        and not exists (
            select from provisional_postings as p
            where p.program = %(program)s and p.network = %(network)s
                and p.case_number = %(case_number)s and p.step = 'credit'
        )
),
"""
_FRESH_END: Final[LiteralString] = """,
fresh as (
    select 'end' as step, %(kind)s::text as kind, c.transaction_id, c.user_id, c.currency,
        case when %(kind)s = 'credit_taken_back' then least(c.amount_minor, coalesce((
            select d.amount_minor from provisional_decisions as d
            where d.program = c.program and d.network = c.network and d.case_number = c.case_number
                and d.decision_number = %(decision_number)s
        ), c.amount_minor)) else %(amount_minor)s::bigint end as amount_minor,
        a.ledger_seq + 1 as next_seq
    from provisional_postings as c
    inner join accounts as a using (program, user_id, currency)
    cross join purchase
    where c.program = %(program)s and c.network = %(network)s and c.case_number = %(case_number)s
        and c.step = 'credit'
        -- guard-begin: final-within-purchase
        and (
            %(kind)s = 'credit_taken_back' or %(amount_minor)s <= greatest(purchase.left_minor, 0)
        )
        -- guard-end: final-within-purchase
        and not exists (
            select from provisional_postings as p
            where p.program = c.program and p.network = c.network
                and p.case_number = c.case_number and p.step = 'end'
        )
),
"""
POST_CREDIT: Final[LiteralString] = "with " + _LIMIT + _FRESH_CREDIT + _PUT
POST_END: Final[LiteralString] = "with " + _LIMIT + _FRESH_END + _PUT
