with

settled_versions as (
    select
        transaction_key,
        min(business_date) as settled_on,
        count(distinct created_at) as settlement_count
    from {{ ref('stg_lake__transactions') }}
    where status in ('completed', 'refunded')
    group by transaction_key
),

latest as (
    select * from {{ ref('int_transactions_latest') }}
    where status in ('completed', 'refunded')
),

final as (
    select
        latest.transaction_key as match_key,
        latest.program,
        latest.transaction_id,
        latest.order_id,
        latest.user_id,
        latest.amount_minor,
        latest.currency,
        latest.created_at,
        settled_versions.settled_on,
        settled_versions.settlement_count,
        -- The same money for the same order under another id, settled before and not refunded.
        case
            when latest.status = 'completed'
                then lag(latest.transaction_id) over (
                    partition by
                        latest.program,
                        latest.order_id,
                        latest.currency,
                        latest.amount_minor,
                        latest.status
                    order by settled_versions.settled_on, latest.created_at, latest.transaction_id
                )
        end as settled_before_as
    from latest
    inner join settled_versions using (transaction_key)
)

select * from final
