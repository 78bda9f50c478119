with

verdicts as (
    select * from {{ ref('stg_lake__acknowledged_files') }}
),

final as (
    select
        acknowledgement_key,
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
        round({{ seconds_between('delivered_at', 'read_at') }} / 3600.0, 2)
            as hours_until_acknowledged,
        is_late,
        reopened_to,
        business_date
    from verdicts
)

select * from final
