"""SQL of the named checks of accounts: the sequence of their events, replayed.

Belongs here: SQL text, as in authorization_checks.py. An event is whatever takes a number of the
account's sequence: a permitted decision or action, and every posting of a deposit or a dispute.
"""

from typing import Final, LiteralString

# Out-of-order instants of one account stay within this: an event is searched so much earlier.
EVENTS: Final[LiteralString] = """
with events as (
    select program, user_id, currency, ledger_seq, -amount_minor as change, decided_at as at
    from decisions
    where status = 'PERMIT' and decided_at >= {since}::timestamptz - interval '10 minutes'
    union all
    select program, user_id, currency, ledger_seq, posted_minor - held_change_minor, posted_at
    from movements
    where status = 'PERMIT' and user_id is not null
        and posted_at >= {since}::timestamptz - interval '10 minutes'
    union all
    select program, user_id, currency, ledger_seq, amount_minor, posted_at
    from deposit_credits
    where posted_at >= {since}::timestamptz - interval '10 minutes'
    union all
    select program, user_id, currency, ledger_seq, -amount_minor, posted_at
    from deposit_recalls
    where posted_at >= {since}::timestamptz - interval '10 minutes'
    union all
    select program, user_id, currency, ledger_seq,
        case kind when 'credit_taken_back' then -amount_minor else amount_minor end, posted_at
    from provisional_postings
    where posted_at >= {since}::timestamptz - interval '10 minutes'
)
"""
# Of all events the sequence begins at 1; of recent ones, at the first of them.
SEQUENCES: Final[LiteralString] = """
{events},
starts as (
    select program, user_id, currency,
        case when {since}::timestamptz = '-infinity' then 1 else min(ledger_seq) end as first_seq
    from events where at >= {since}
    group by program, user_id, currency
    {all_accounts}
),
counted as (
    select program, user_id, currency, min(first_seq) as first_seq,
        count(e.ledger_seq) as event_count, count(distinct e.ledger_seq) as number_count,
        coalesce(max(e.ledger_seq), 0) as last_event,
        string_agg(distinct e.ledger_seq::text, ', ') filter (where e.is_repeat) as repeats
    from starts
    left join (
        select *, count(*) over (
            partition by program, user_id, currency, ledger_seq
        ) > 1 as is_repeat
        from events
    ) as e using (program, user_id, currency)
    where e.ledger_seq is null or e.ledger_seq >= first_seq
    group by program, user_id, currency
)
select 'account_sequences_have_no_gap', program, user_id, currency,
    'numbers from ' || first_seq || ' on', greatest(coalesce(ledger_seq, 0), last_event) - first_seq + 1,
    number_count
from counted
left join accounts using (program, user_id, currency)
where number_count <> greatest(coalesce(ledger_seq, 0), last_event) - first_seq + 1
union all
select 'account_sequences_have_no_repeat', program, user_id, currency,
    'numbers ' || repeats, event_count, number_count
from counted
where event_count <> number_count
union all
select 'account_sequences_have_no_gap', program, user_id, currency,
    'number of the account itself', coalesce(ledger_seq, 0), last_event
from counted
left join accounts using (program, user_id, currency)
where coalesce(ledger_seq, 0) < last_event
"""

# One break an account, the earliest event before whose number there is a later instant.
INSTANTS: Final[LiteralString] = """
{events},
followed as (
    select *, max(at) over (
        partition by program, user_id, currency order by ledger_seq
        rows between unbounded preceding and 1 preceding
    ) as latest_before
    from events
)
select distinct on (program, user_id, currency)
    'instants_follow_the_sequence', program, user_id, currency,
    'number ' || ledger_seq || ' of ' || at || ', after ' || latest_before,
    ledger_seq, ledger_seq - 1
from followed
where at < latest_before - interval '10 minutes'
order by program, user_id, currency, ledger_seq
"""

# One break an account, its earliest. Backwards from the account's balance: what was available after an event is the balance less all
# later changes. A rejected request saw the state after the event whose number it names.
RUNNING_BALANCES: Final[LiteralString] = """
{events},
available as (
    select e.program, e.user_id, e.currency, e.ledger_seq,
        coalesce(a.available_minor, 0) - coalesce(sum(e.change) over later, 0) as after_minor
    from events as e
    left join accounts as a using (program, user_id, currency)
    window later as (
        partition by e.program, e.user_id, e.currency order by e.ledger_seq desc
        rows between unbounded preceding and 1 preceding
    )
)
select distinct on (d.program, d.user_id, d.currency)
    'remaining_credit_equals_running_balance', d.program, d.user_id, d.currency,
    'authorization ' || d.transaction_id, d.remaining_minor, a.after_minor
from decisions as d
inner join available as a using (program, user_id, currency, ledger_seq)
where d.decided_at >= {since} and d.remaining_minor <> a.after_minor
order by d.program, d.user_id, d.currency, d.ledger_seq
"""
