-- The value of a rate, summed again from single disputes and the transactions that they name.
{{ config(meta={'dagster': {'ref': {'name': 'fct_chargeback_rate_per_payment_method'}}}) }}

with

expected as (
    select
        disputes.program,
        transactions.payment_method,
        transactions.currency,
        sum(disputes.dispute_amount_minor) as dispute_value_minor
    from {{ ref('int_disputes_current') }} as disputes
    inner join {{ ref('int_transactions_latest') }} as transactions
        on
            disputes.program = transactions.program
            and disputes.transaction_id = transactions.transaction_id
            and disputes.dispute_currency = transactions.currency
    where
        disputes.has_reached_chargeback
        and transactions.status in ('completed', 'refunded')
    group by disputes.program, transactions.payment_method, transactions.currency
)

select
    program,
    payment_method,
    currency,
    rates.dispute_value_minor,
    expected.dispute_value_minor as expected_value_minor
from {{ ref('fct_chargeback_rate_per_payment_method') }} as rates
full outer join expected using (program, payment_method, currency)
where coalesce(rates.dispute_value_minor, 0) != coalesce(expected.dispute_value_minor, 0)
