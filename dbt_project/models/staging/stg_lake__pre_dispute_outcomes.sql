with

source as (
    select * from {{ source('lake', 'pre_dispute_outcomes') }}
),

final as (
    select
        intake_id || '/' || row_number as pre_dispute_version_key,
        program || '/' || service || '/' || case_id as pre_dispute_key,
        program,
        case_id,
        service,
        alert_outcome,
        outcome_on,
        network,
        transaction_id,
        arn,
        merchant_id,
        amount_minor,
        currency,
        updated_at,
        intake_id,
        source_file,
        row_number,
        flags,
        business_date
    from source
)

select * from final
