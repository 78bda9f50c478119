-- A disputed transaction that counts has settled: it is a part of the base, also in each month of
-- sales. Under the other attributions disputes are of other months' sales.
{{ config(meta={'dagster': {'ref': {'name': 'fct_chargeback_rate_monthly'}}}) }}

select
    chargeback_rate_key,
    disputed_transaction_count,
    settled_transaction_count
from {{ ref('fct_chargeback_rate_per_payment_method') }}
where disputed_transaction_count > settled_transaction_count
union all
select
    chargeback_rate_key,
    disputed_transaction_count,
    settled_transaction_count
from {{ ref('fct_chargeback_rate_monthly') }}
where
    attribution = 'sale_month'
    and disputed_transaction_count > settled_transaction_count
