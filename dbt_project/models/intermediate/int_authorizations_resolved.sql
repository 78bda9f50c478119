with

-- What disputes give back names the transaction too, and is no authorization of it.
log_entries as (
    select * from {{ ref('stg_lake__log_entries') }}
    where
        transaction_id is not null
        and kind not in ('provisional_credit', 'credit_made_final', 'credit_taken_back')
),

summed as (
    select
        program,
        transaction_id,
        any_value(user_id) filter (where kind = 'decision') as user_id,
        any_value(currency) filter (where kind = 'decision') as currency,
        coalesce(bool_or(status = 'PERMIT') filter (where kind = 'decision'), false)
            as is_permitted,
        min(business_date) as authorized_on,
        max(business_date) filter (where kind in ('decision', 'capture') and posted_minor < 0)
            as captured_on,
        cast(
            -coalesce(sum(posted_minor) filter (where kind in ('decision', 'capture')), 0)
            as bigint
        ) as captured_minor,
        cast(coalesce(sum(posted_minor) filter (where kind = 'refund'), 0) as bigint)
            as refunded_minor,
        cast(sum(held_change_minor) as bigint) as held_minor
    from log_entries
    group by program, transaction_id
),

final as (
    select
        program || '/' || transaction_id as match_key,
        program,
        transaction_id,
        user_id,
        currency,
        case
            when not is_permitted then 'rejected'
            when captured_minor > 0 then 'captured'
            when held_minor > 0 then 'held'
            else 'released'
        end as state,
        authorized_on,
        captured_on,
        captured_minor,
        refunded_minor,
        held_minor
    from summed
)

select * from final
