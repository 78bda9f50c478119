with

source as (
    select * from {{ source('lake', 'quarantined_rows') }}
),

final as (
    select
        concat_ws('/', business_date, intake_id, row_number) as quarantined_row_key,
        program,
        kind,
        intake_id,
        source_file,
        row_number,
        reasons,
        state,
        claimed_on,
        business_date
    from source
)

select * from final
