"""SQL of the named checks of authorizations: decision, hold, actions and callbacks.

Belongs here: SQL text. What each check is called and which sides it compares is in
cardops.rules.reconciliation.comparisons. Every statement returns the columns of
cardops.contracts.lake.reconciliation.FOUND_COLUMNS, and reads authorizations that were decided or
acted on since an instant (`-infinity` for all): an authorization that changed is checked whole.
"""

from typing import Final, LiteralString

# A void that arrived before its authorization has no account; every other action has one.
FIGURES: Final[LiteralString] = """
with touched as (
    select program, transaction_id from movements where posted_at >= {since}
    union
    select program, transaction_id from decisions where decided_at >= {since}
    {all_holds}
),
acted as (
    select
        m.program, m.transaction_id,
        min(m.user_id) as user_id, min(m.currency) as currency,
        count(*) filter (where m.user_id is not null) as action_count,
        count(*) filter (where m.kind = 'void' and m.user_id is null) as early_void_count,
        count(*) filter (
            where m.user_id is not null and d.user_id is not null
            and (m.user_id, m.currency) is distinct from (d.user_id, d.currency)
        ) as foreign_count,
        count(*) filter (where m.kind in ('capture', 'void', 'expire') and m.user_id is not null)
            as ending_count,
        min(m.kind) filter (where m.kind in ('capture', 'void', 'expire')) as ending,
        coalesce(sum(m.amount_minor) filter (where m.kind = 'capture'), 0) as captures,
        coalesce(sum(m.amount_minor) filter (where m.kind = 'refund'), 0) as refunds,
        coalesce(sum(m.amount_minor) filter (
            where m.kind = 'increment' and m.status = 'PERMIT'
        ), 0) as increments,
        coalesce(sum(m.posted_minor), 0) as posted,
        sum(
            case
                when m.status <> 'PERMIT' then 0
                when m.kind = 'capture' then -m.amount_minor
                when m.kind = 'refund' then m.amount_minor
                else 0
            end
        ) as said,
        count(*) filter (
            where m.posted_minor <> case
                when m.status <> 'PERMIT' then 0
                when m.kind = 'capture' then -m.amount_minor
                when m.kind = 'refund' then m.amount_minor
                else 0
            end
            or (m.held_change_minor <> case
                when m.kind = 'increment' and m.status = 'PERMIT' then m.amount_minor
                else 0
            end and m.kind in ('increment', 'refund'))
        ) as misposted_count,
        coalesce(sum(m.held_change_minor), 0) as held_change
    from touched
    inner join movements as m using (program, transaction_id)
    left join decisions as d using (program, transaction_id)
    group by m.program, m.transaction_id
),
figures as (
    select
        program, transaction_id,
        coalesce(d.user_id, h.user_id, a.user_id) as user_id,
        coalesce(d.currency, h.currency, a.currency) as currency,
        d.status = 'PERMIT' as is_permitted,
        d.status = 'PERMIT' and not d.is_capture as is_hold,
        d.reason_code = 'voided_before_arrival' as is_voided,
        h.expires_at > d.decided_at + {longest_hold} as is_overlong,
        h.state, h.held_minor, h.captured_minor, h.program is not null as has_hold,
        coalesce(a.action_count, 0) as action_count,
        coalesce(a.early_void_count, 0) as early_void_count,
        (
            select count(*) from voided_ids as v
            where v.program = touched.program and v.transaction_id = touched.transaction_id
        ) as announced_count,
        coalesce(a.foreign_count, 0) as foreign_count,
        coalesce(a.misposted_count, 0) as misposted_count,
        coalesce(a.ending_count, 0) as ending_count,
        a.ending, a.posted, a.said,
        coalesce(a.captures, 0) as captures,
        coalesce(a.refunds, 0) as refunds,
        case when d.status = 'PERMIT' and not d.is_capture then d.amount_minor else 0 end
            + coalesce(a.increments, 0) as permitted,
        case
            when d.status = 'PERMIT' and d.is_capture then d.amount_minor
            else coalesce(a.captures, 0)
        end as captured,
        case when d.status = 'PERMIT' and not d.is_capture then d.amount_minor else 0 end
            + coalesce(a.held_change, 0) as open_minor
    from touched
    left join decisions as d using (program, transaction_id)
    left join holds as h using (program, transaction_id)
    left join acted as a using (program, transaction_id)
)
"""
AUTHORIZATIONS: Final[LiteralString] = """
{figures}
select found.check_name, program, user_id, currency,
    'authorization ' || transaction_id || found.detail, found.a, found.b
from figures
cross join lateral (
    values
    ('actions_have_a_permitted_decision', action_count, 0, '',
        action_count > 0 and is_permitted is not true),
    ('actions_are_on_the_account_of_their_decision', foreign_count, 0, '', foreign_count > 0),
    ('early_voids_are_announced', early_void_count, announced_count, '',
        early_void_count > announced_count),
    ('early_voids_refuse_their_authorization', early_void_count, is_permitted::integer, '',
        early_void_count > 0 and is_permitted),
    ('voided_decisions_are_announced', 1, 0, '', is_voided and announced_count = 0),
    ('actions_post_their_amounts', posted, said, '', misposted_count > 0),
    ('captures_are_within_the_permitted_amount', captures, permitted, '', captures > permitted),
    ('refunds_are_within_the_captured_amount', refunds, captured, '', refunds > captured),
    ('holds_end_at_most_once', ending_count, 1, '', ending_count > 1),
    ('holds_have_a_permitted_decision', has_hold::integer, coalesce(is_hold, false)::integer, '',
        has_hold <> coalesce(is_hold, false)),
    ('holds_end_in_time', 1, 0, '', coalesce(is_overlong, false)),
    ('hold_states_agree_with_actions', (state <> 'held')::integer, ending_count,
        ' is ' || state || ', its actions say ' || coalesce(ending, 'none'),
        has_hold and ending_count <= 1 and state <> case ending
            when 'capture' then 'captured'
            when 'void' then 'voided'
            when 'expire' then 'expired'
            else 'held'
        end),
    ('held_amounts_agree_with_actions', held_minor, open_minor, '',
        has_hold and held_minor <> open_minor),
    ('captured_amounts_agree_with_actions', captured_minor, captures, '',
        has_hold and captured_minor <> captures)
) as found (check_name, a, b, detail, is_break)
where found.is_break
"""

# The hash of the request, computed again from the row (rules/authorizations/request_hashes.py). What a
# request said of merchant, channel or metadata is not stored as it was hashed, so those are left out;
# so is a callback that is in the archive, or whose URL JSON would escape.
REQUEST_HASHES: Final[LiteralString] = """
select 'decisions_are_the_hashed_requests', d.program, d.user_id, d.currency,
    'authorization ' || d.transaction_id, 1::bigint, 0::bigint
from decisions as d
left join callbacks as c on c.callback_id = d.details ->> 'callback_id'
where d.decided_at >= {since} and octet_length(d.question_hash) = 32
    and coalesce(d.details, '{{}}'::jsonb) - 'callback_id' = '{{}}'::jsonb
    and (d.details -> 'callback_id' is null or c.url ~ '^[!#-[\\]-~]+$')
    and d.question_hash <> sha256(convert_to(
        '["' || d.user_id || '",' || d.amount_minor || ',"' || d.currency || '",'
        || d.is_capture || ',' || coalesce('"' || c.url || '"', 'null') || ',null]', 'UTF8'
    ))
"""

# A decision with a callback says so in its details. A callback that was delivered long ago may have
# been moved to the archive, so a missing one is searched for recent decisions only.
CALLBACKS: Final[LiteralString] = """
select 'callbacks_repeat_the_response', d.program, d.user_id, d.currency,
    'callback ' || c.callback_id || ' of authorization ' || d.transaction_id, 1::bigint, 1::bigint
from decisions as d
inner join callbacks as c on c.callback_id = d.details ->> 'callback_id'
where d.decided_at >= {since} and c.body <> d.answer
{all_callbacks}
union all
select 'decisions_have_their_callback', d.program, d.user_id, d.currency,
    'authorization ' || d.transaction_id || ', callback ' || (d.details ->> 'callback_id'),
    1::bigint, 0::bigint
from decisions as d
where d.decided_at >= greatest({since}, now() - interval '1 day')
    and d.details ? 'callback_id'
    and not exists (
        select from callbacks as c where c.callback_id = d.details ->> 'callback_id'
    )
"""
# Of a full check: also callbacks that no decision names.
ALL_CALLBACKS: Final[LiteralString] = """
union
select 'callbacks_repeat_the_response', c.program, d.user_id, d.currency,
    'callback ' || c.callback_id || ' of authorization ' || c.transaction_id,
    1::bigint, (d.program is not null)::integer::bigint
from callbacks as c
left join decisions as d on d.program = c.program and d.transaction_id = c.transaction_id
where d.program is null or c.body <> d.answer
"""
