with

programmes as (
    select distinct
        programme,
        network,
        counts_fraud_reports
    from {{ ref('monitoring_tiers') }}
),

transactions as (
    select
        program,
        transaction_id,
        merchant_id
    from {{ ref('int_transactions_latest') }}
),

reports as (
    select * from {{ ref('int_fraud_reports_latest') }}
),

cases as (
    select
        dispute_key as case_key,
        'dispute' as case_kind,
        program,
        network,
        transaction_id,
        coalesce(nullif(transaction_merchant_id, 'unknown'), merchant_id, 'unknown') as merchant_id,
        coalesce(reason_category = 'fraud', false) as is_fraud,
        false as is_withdrawn,
        opened_on as received_on,
        dispute_amount_minor as amount_minor,
        dispute_currency as currency
    from {{ ref('fct_disputes') }}
    where has_reached_chargeback
    union all
    select
        reports.fraud_report_key as case_key,
        'fraud_report' as case_kind,
        reports.program,
        reports.network,
        reports.transaction_id,
        coalesce(transactions.merchant_id, reports.merchant_id, 'unknown') as merchant_id,
        true as is_fraud,
        reports.status = 'withdrawn' as is_withdrawn,
        reports.reported_on as received_on,
        reports.amount_minor,
        reports.currency
    from reports
    left join transactions
        on
            reports.program = transactions.program
            and reports.transaction_id = transactions.transaction_id
),

alerts as (
    select
        *,
        row_number() over (
            partition by pre_dispute_key
            order by
                coalesce(
                    updated_at, {% call utc_midnight() %}outcome_on{% endcall %}
                ) desc, intake_id desc, row_number desc
        ) as recency
    from {{ ref('stg_lake__pre_dispute_outcomes') }}
),

payments_by_arn as (
    select
        program,
        arn,
        min(transaction_id) as transaction_id
    from {{ ref('stg_lake__chargebacks') }}
    where arn is not null and transaction_id is not null
    group by program, arn
),

-- What an alert that was refunded or accepted takes out of a programme's count, payment by payment.
excluded as (
    select distinct
        alerts.program,
        exclusions.programme,
        exclusions.excludes as case_kind,
        coalesce(alerts.transaction_id, payments_by_arn.transaction_id) as transaction_id
    from alerts
    inner join {{ ref('alert_outcomes') }} as outcomes
        on alerts.alert_outcome = outcomes.outcome and outcomes.prevents_dispute = 'yes'
    inner join {{ ref('monitoring_exclusions') }} as exclusions
        on
            alerts.service = exclusions.service
            and alerts.alert_outcome = coalesce(exclusions.outcome, alerts.alert_outcome)
            and alerts.outcome_on >= exclusions.valid_from
            and alerts.outcome_on <= coalesce(exclusions.valid_to, alerts.outcome_on)
    left join payments_by_arn
        on
            alerts.program = payments_by_arn.program
            and alerts.arn = payments_by_arn.arn
    where alerts.recency = 1
),

final as (
    select
        programmes.programme,
        cases.case_key,
        cases.case_kind,
        cases.program,
        cases.network,
        cases.merchant_id,
        cases.transaction_id,
        cases.is_fraud,
        cases.received_on,
        {{ month_of('cases.received_on') }} as month,
        cases.amount_minor,
        cases.currency,
        case
            when cases.is_withdrawn then 'withdrawn'
            when excluded.transaction_id is not null then 'resolved_before_dispute'
        end as excluded_because
    from cases
    inner join programmes
        on
            cases.network = programmes.network
            and (cases.case_kind = 'dispute' or programmes.counts_fraud_reports = 'yes')
    left join excluded
        on
            cases.program = excluded.program
            and programmes.programme = excluded.programme
            and cases.case_kind = excluded.case_kind
            and cases.transaction_id = excluded.transaction_id
)

select * from final
