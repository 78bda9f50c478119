with

snapshots as (
    select
        *,
        row_number() over (
            partition by intake_id, row_number
            order by business_date desc
        ) as position
    from {{ ref('stg_lake__quarantined_rows') }}
),

final as (
    select
        intake_id || '/' || row_number as quarantine_key,
        program,
        kind,
        intake_id,
        source_file,
        row_number,
        reasons,
        state,
        claimed_on,
        business_date
    from snapshots
    where position = 1
)

select * from final
