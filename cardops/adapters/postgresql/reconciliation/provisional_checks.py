"""SQL of the named checks of disputed money: what was given back to users, and its ends.

Belongs here: SQL text, as in authorization_checks.py.
"""

from typing import Final, LiteralString

# An end is on the account of its credit; what is taken back is what was given, or the part of it that a
# person decided. What the disputes of a purchase were given and keep is at most what was captured of it.
# What followed a decision is what the last decision before it says.
PROVISIONAL: Final[LiteralString] = """
select 'credit_ends_have_their_credit', e.program, e.user_id, e.currency,
    'dispute ' || e.network || '/' || e.case_number, e.amount_minor, coalesce(c.amount_minor, 0)
from provisional_postings as e
left join provisional_postings as c
    on c.program = e.program and c.network = e.network and c.case_number = e.case_number
    and c.step = 'credit' and c.user_id = e.user_id and c.currency = e.currency
where e.posted_at >= {since} and e.step = 'end'
    and (
        c.program is null
        or (
            e.kind = 'credit_taken_back' and case
                when e.decision_number is null then e.amount_minor <> c.amount_minor
                else e.amount_minor > c.amount_minor
            end
        )
    )
union all
select 'provisional_credits_are_within_the_purchase', d.program, d.user_id, d.currency,
    'transaction ' || d.transaction_id, given.amount_minor, captured.amount_minor
from (
    select distinct program, transaction_id from provisional_postings
    where posted_at >= {since} and kind <> 'credit_taken_back'
) as changed
inner join decisions as d using (program, transaction_id)
cross join lateral (
    select sum(case p.kind when 'credit_taken_back' then -p.amount_minor else p.amount_minor end)
        as amount_minor
    from provisional_postings as p
    where p.program = d.program and p.transaction_id = d.transaction_id
) as given
cross join lateral (
    select case when d.status = 'PERMIT' and d.is_capture then d.amount_minor else 0 end
        - coalesce(sum(m.posted_minor), 0) as amount_minor
    from movements as m
    where m.program = d.program and m.transaction_id = d.transaction_id and m.kind = 'capture'
) as captured
where given.amount_minor > captured.amount_minor
union all
select 'decided_postings_follow_their_decision', p.program, p.user_id, p.currency,
    'dispute ' || p.network || '/' || p.case_number, p.amount_minor, coalesce(d.amount_minor, 0)
from provisional_postings as p
left join provisional_decisions as d
    on d.program = p.program and d.network = p.network and d.case_number = p.case_number
    and d.decision_number = p.decision_number and d.step = p.step and d.decided_at <= p.posted_at
    and d.decision = case p.kind when 'credit_taken_back' then 'rejected' else 'approved' end
where p.posted_at >= {since} and p.decision_number is not null
    and (
        d.program is null
        or (p.kind = 'provisional_credit' and p.amount_minor > d.amount_minor)
        or (p.kind = 'credit_made_final' and p.amount_minor > 0)
        or (p.kind = 'credit_taken_back' and p.amount_minor <> d.amount_minor)
        or exists (
            select from provisional_decisions as later
            where later.program = d.program and later.network = d.network
                and later.case_number = d.case_number and later.decision_number > d.decision_number
                and later.decided_at < p.posted_at
        )
    )
"""
