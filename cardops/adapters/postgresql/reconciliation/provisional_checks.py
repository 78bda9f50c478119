"""SQL of the named checks of disputed money: what was given back to users, and its ends.

Belongs here: SQL text, as in authorization_checks.py.
"""

from typing import Final, LiteralString

# An end is on the account of its credit; what is taken back is what was given. What the disputes of a
# purchase were given and keep is at most what the ledger shows of it.
PROVISIONAL: Final[LiteralString] = """
select 'credit_ends_have_their_credit', e.program, e.user_id, e.currency,
    'dispute ' || e.network || '/' || e.case_number, e.amount_minor, coalesce(c.amount_minor, 0)
from provisional_postings as e
left join provisional_postings as c
    on c.program = e.program and c.network = e.network and c.case_number = e.case_number
    and c.step = 'credit' and c.user_id = e.user_id and c.currency = e.currency
where e.posted_at >= {since} and e.step = 'end'
    and (c.program is null or (e.kind = 'credit_taken_back' and e.amount_minor <> c.amount_minor))
union all
select 'provisional_credits_are_within_the_purchase', d.program, d.user_id, d.currency,
    'transaction ' || d.transaction_id, given.amount_minor, d.amount_minor
from (
    select distinct program, transaction_id from provisional_postings
    where posted_at >= {since} and kind <> 'credit_taken_back'
) as changed
inner join decisions as d using (program, transaction_id)
cross join lateral (
    select coalesce(sum(p.amount_minor), 0) as amount_minor
    from provisional_postings as p
    where p.program = d.program and p.transaction_id = d.transaction_id
        and p.kind <> 'credit_taken_back'
        and not exists (
            select from provisional_postings as t
            where t.program = p.program and t.network = p.network
                and t.case_number = p.case_number and t.kind = 'credit_taken_back'
        )
) as given
where given.amount_minor > d.amount_minor
"""
