with

disputes as (
    select * from {{ ref('int_disputes_current') }}
),

transactions as (
    select * from {{ ref('int_transactions_latest') }}
),

flagged as (
    select * from {{ ref('int_disputes_flagged') }}
),

-- The last day of which anything is known.
dates as (
    select
        greatest(
            max(disputes.business_date),
            (select max(balances.business_date) from {{ ref('stg_lake__balances') }} as balances)
        ) as as_of_on
    from disputes
),

joined as (
    select
        disputes.dispute_key,
        disputes.program,
        disputes.network,
        disputes.case_number,
        disputes.transaction_id,
        coalesce(transactions.payment_method, disputes.payment_method, 'unknown') as payment_method,
        disputes.stage,
        disputes.status,
        {{ dispute_outcome('disputes.stage', 'disputes.status') }} as outcome,
        disputes.has_reached_chargeback,
        disputes.reopened_count,
        disputes.opening_number,
        disputes.version_count,
        disputes.batch_id,
        disputes.merchant_id,
        disputes.dispute_amount_minor,
        disputes.dispute_currency,
        disputes.reason_code,
        disputes.reason_category,
        disputes.opened_on,
        disputes.reply_by_on,
        disputes.clock,
        disputes.resolved_on,
        {{ days_between('disputes.opened_on', 'disputes.resolved_on') }} as days_to_resolution,
        coalesce(flagged.flags, {{ empty_list() }}) as flags,
        coalesce(transactions.provider, 'unknown') as provider,
        coalesce(transactions.card_network, 'unknown') as transaction_network,
        coalesce(transactions.merchant_id, 'unknown') as transaction_merchant_id,
        transactions.status as transaction_status,
        transactions.currency as transaction_currency,
        {{ utc_date('transactions.created_at') }} as sold_on,
        disputes.business_date,
        dates.as_of_on
    from disputes
    cross join dates
    left join flagged using (dispute_key)
    left join transactions
        on
            disputes.program = transactions.program
            and disputes.transaction_id = transactions.transaction_id
),

final as (
    select
        *,
        {{ days_between('as_of_on', 'reply_by_on') }} as days_left,
        outcome = 'open' as is_open,
        not has_reached_chargeback as is_inquiry,
        case
            when not has_reached_chargeback then 'inquiry'
            when transaction_status is null then 'unknown_payment'
            when transaction_status = 'failed' then 'failed_payment'
            when transaction_status = 'pending' then 'pending_payment'
        end as outside_rates_because
    from joined
)

select * from final
