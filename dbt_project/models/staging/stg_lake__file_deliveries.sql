with

source as (
    select * from {{ source('lake', 'file_deliveries') }}
),

final as (
    select
        concat_ws('/', business_date, batch_id, network) as file_delivery_key,
        program,
        batch_id,
        network,
        destination,
        file_name,
        sequence,
        row_count,
        state,
        content_sha256,
        sent_sha256,
        attempt_count,
        made_at,
        delivered_at,
        counts_on,
        acknowledgement,
        accepted_count,
        rejected_count,
        acknowledged_at,
        business_date
    from source
)

select * from final
