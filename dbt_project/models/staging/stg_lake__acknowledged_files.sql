with

source as (
    select * from {{ source('lake', 'acknowledged_files') }}
),

final as (
    select
        concat_ws(
            '/', business_date, batch_id, network, verdict, coalesce(reason_code, '')
        ) as acknowledgement_key,
        program,
        batch_id,
        network,
        destination,
        file_name,
        sequence,
        verdict,
        reason_code,
        row_count,
        delivered_at,
        read_at,
        is_late,
        reopened_to,
        business_date
    from source
)

select * from final
