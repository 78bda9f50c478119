with

chargebacks as (
    select
        *,
        row_number() over (
            partition by dispute_key
            order by stage_rank desc, action_sequence desc, intake_id desc, row_number desc
        ) as recency
    from {{ ref('stg_lake__chargebacks') }}
),

histories as (
    select
        dispute_key,
        count(*) as version_count,
        min(dispute_date) as opened_on,
        min(business_date) as received_on,
        max(stage_rank) > 1 as has_reached_chargeback,
        max(resolution_date) as resolved_on
    from chargebacks
    group by dispute_key
),

final as (
    select
        chargebacks.dispute_key,
        chargebacks.program,
        chargebacks.network,
        chargebacks.case_number,
        chargebacks.transaction_id,
        chargebacks.stage,
        chargebacks.status,
        chargebacks.batch_id,
        chargebacks.merchant_id,
        chargebacks.dispute_amount_minor,
        chargebacks.dispute_currency,
        chargebacks.reason_code,
        chargebacks.reason_category,
        chargebacks.reply_by_date,
        chargebacks.payment_method,
        chargebacks.business_date,
        histories.version_count,
        histories.opened_on,
        histories.received_on,
        histories.has_reached_chargeback,
        histories.resolved_on
    from chargebacks
    inner join histories using (dispute_key)
    where chargebacks.recency = 1
)

select * from final
