with

versions as (
    select
        *,
        row_number() over (
            partition by fraud_report_key
            order by
                coalesce(
                    updated_at, {% call utc_midnight() %}reported_on{% endcall %}
                ) desc, intake_id desc, row_number desc
        ) as recency,
        -- A report counts in the month in which it was first received.
        min(reported_on) over (partition by fraud_report_key) as first_reported_on
    from {{ ref('stg_lake__fraud_reports') }}
),

-- An acquirer reference number names the payment of a dispute that has both.
payments_by_arn as (
    select
        program,
        arn,
        min(transaction_id) as transaction_id
    from {{ ref('stg_lake__chargebacks') }}
    where arn is not null and transaction_id is not null
    group by program, arn
),

final as (
    select
        versions.fraud_report_key,
        versions.program,
        versions.report_id,
        versions.source,
        versions.network,
        versions.arn,
        versions.merchant_id,
        versions.fraud_type,
        versions.first_reported_on as reported_on,
        versions.amount_minor,
        versions.currency,
        versions.status,
        versions.business_date,
        coalesce(versions.transaction_id, payments_by_arn.transaction_id) as transaction_id
    from versions
    left join payments_by_arn
        on
            versions.program = payments_by_arn.program
            and versions.arn = payments_by_arn.arn
    where versions.recency = 1
)

select * from final
