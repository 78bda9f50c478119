with

source as (
    select * from {{ source('lake', 'waiting_disputes') }}
),

final as (
    select
        concat_ws('/', business_date, intake_id, row_number) as waiting_dispute_key,
        program,
        batch_id,
        network,
        case_number,
        stage,
        status,
        reason,
        dispute_amount_minor,
        dispute_currency,
        reply_by_on,
        waiting_since,
        business_date
    from source
)

select * from final
