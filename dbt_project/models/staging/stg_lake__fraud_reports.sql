with

source as (
    select * from {{ source('lake', 'fraud_reports') }}
),

final as (
    select
        intake_id || '/' || row_number as fraud_report_version_key,
        program || '/' || source || '/' || report_id as fraud_report_key,
        program,
        report_id,
        source,
        network,
        transaction_id,
        arn,
        merchant_id,
        fraud_type,
        reported_on,
        amount_minor,
        currency,
        status,
        updated_at,
        intake_id,
        source_file,
        row_number,
        flags,
        business_date
    from source
)

select * from final
