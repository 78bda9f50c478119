{{ config(materialized='table') }}

with

-- Most requests name no channel, and most of the rest were made online.
present as (
    select distinct
        program,
        transaction_id,
        lower(channel) not in ('ecommerce', 'online', 'web', 'app', 'moto', 'phone', 'mail')
            as is_card_present
    from {{ ref('fct_authorizations') }}
    where channel is not null
),

settled as (
    select
        program,
        transaction_id,
        coalesce(merchant_id, 'unknown') as merchant_id,
        case card_network when 'maestro' then 'mastercard' else card_network end as network,
        {{ month_of(utc_date('created_at')) }} as month,
        business_date
    from {{ ref('int_transactions_latest') }}
    where
        status in ('completed', 'refunded')
        and card_network in ('visa', 'mastercard', 'maestro', 'unknown')
),

final as (
    select
        settled.program,
        settled.network,
        settled.merchant_id,
        settled.month,
        count(*) as settled_count,
        count(case when present.is_card_present then 1 end) as card_present_count,
        count(*) - count(present.is_card_present) as channel_unknown_count,
        max(settled.business_date) as last_business_date
    from settled
    left join present
        on
            settled.program = present.program
            and settled.transaction_id = present.transaction_id
    group by settled.program, settled.network, settled.merchant_id, settled.month
)

select * from final
