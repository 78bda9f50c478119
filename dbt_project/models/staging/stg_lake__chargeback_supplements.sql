with

source as (
    select * from {{ source('lake', 'chargeback_supplements') }}
),

final as (
    select
        batch_id,
        intake_id,
        row_number,
        filled_columns,
        flags,
        business_date
    from source
)

select * from final
