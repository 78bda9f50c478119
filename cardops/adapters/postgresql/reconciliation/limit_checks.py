"""SQL of the named check of limits and blocks against the record of their changes.

Belongs here: SQL text, as in authorization_checks.py. Changes have no index by instant, and there are
few: a full reconciliation compares them, the nightly one does not.
"""

from typing import Final, LiteralString

# Every limit has a recorded change. A user blocked before blocks were recorded has none.
LIMITS: Final[LiteralString] = """
with recorded as (
    select distinct on (program, user_id, key) *
    from (
        select program, user_id, changed_at, after,
            case when coalesce(after, before) ? 'is_blocked' then 'block' else concat_ws(' ',
                coalesce(after, before) ->> 'currency', coalesce(after, before) ->> 'kind',
                coalesce(after, before) ->> 'window_seconds') end as key,
            coalesce(after, before) ->> 'currency' as currency
        from limit_changes
        where coalesce(after, before) is not null
    ) as changes
    order by program, user_id, key, changed_at desc
),
in_force as (
    select program, user_id, currency, concat_ws(' ', currency, kind, window_seconds) as key,
        max_amount_minor::text as max_amount, max_count::text as max_count
    from spending_limits
),
compared as (
    select program, user_id, key, coalesce(f.currency, r.currency) as currency,
        f.key is null as is_missing, r.key is null or r.after is null as is_unrecorded,
        (f.max_amount, f.max_count) is distinct from
            (r.after ->> 'max_amount_minor', r.after ->> 'max_count') as is_different
    from in_force as f
    full join (select * from recorded where key <> 'block') as r using (program, user_id, key)
)
select 'limits_in_force_are_the_last_recorded', program, nullif(user_id, ''), currency,
    'limit ' || key || case when user_id = '' then ' of the program' else '' end,
    (not is_missing)::integer::bigint, (not is_unrecorded)::integer::bigint
from compared
where is_missing <> is_unrecorded or (not is_missing and is_different)
union all
select 'limits_in_force_are_the_last_recorded', r.program, r.user_id, null, 'block of the user',
    coalesce(u.is_blocked, false)::integer::bigint,
    (r.after ->> 'is_blocked')::boolean::integer::bigint
from recorded as r
left join users as u using (program, user_id)
where r.key = 'block' and coalesce(u.is_blocked, false) <> (r.after ->> 'is_blocked')::boolean
"""
