-- Disputes that a rate counts and those outside the rates are all disputes, under each attribution.
{{ config(meta={'dagster': {'ref': {'name': 'fct_disputes_outside_rates'}}}) }}

with

counted as (
    select
        'per_payment_method' as rates,
        coalesce(sum(dispute_count), 0) as dispute_count
    from {{ ref('fct_chargeback_rate_per_payment_method') }}
    union all
    select
        attribution as rates,
        coalesce(sum(dispute_count), 0) as dispute_count
    from {{ ref('fct_chargeback_rate_monthly') }}
    group by attribution
),

outside as (
    select count(*) as dispute_count from {{ ref('fct_disputes_outside_rates') }}
),

disputes as (
    select count(*) as dispute_count from {{ ref('fct_disputes') }}
)

select
    counted.rates,
    counted.dispute_count,
    outside.dispute_count as outside_count,
    disputes.dispute_count as all_count
from counted
cross join outside
cross join disputes
where counted.dispute_count + outside.dispute_count != disputes.dispute_count
