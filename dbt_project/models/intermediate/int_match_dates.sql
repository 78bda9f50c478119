{{ config(materialized='table') }}

with

log_ends as (
    select max(business_date) as log_ends_on from {{ ref('stg_lake__log_entries') }}
),

newest as (
    select max(business_date) as newest_on from {{ ref('fct_daily_balances') }}
    union all
    select max(settled_on) as newest_on from {{ ref('int_transactions_settled') }}
    union all
    select max(disputed_on) as newest_on from {{ ref('int_transactions_disputed') }}
),

final as (
    select
        log_ends.log_ends_on,
        greatest(log_ends.log_ends_on, max(newest.newest_on)) as as_of_on
    from log_ends
    cross join newest
    group by log_ends.log_ends_on
)

select * from final
