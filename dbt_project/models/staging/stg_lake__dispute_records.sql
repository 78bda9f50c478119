with

source as (
    select * from {{ source('lake', 'dispute_records') }}
),

final as (
    select
        business_date || '/' || program || '/' || network || '/' || case_number
            as dispute_record_key,
        program || '/' || network || '/' || case_number as dispute_key,
        owner,
        decision,
        stage as decided_stage,
        opening_number as decided_opening_number,
        business_date
    from source
)

select * from final
