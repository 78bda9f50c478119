{{ config(meta={'lake_tables': ['orders']}) }}

with

source as (
    select * from {{ source('lake', 'orders') }}
),

final as (
    select
        intake_id || '/' || row_number as order_version_key,
        program || '/' || order_id as order_key,
        program,
        order_id,
        user_id,
        amount_minor,
        currency,
        status,
        merchant_id,
        shipping_country,
        items_count,
        items_total_minor,
        created_at,
        updated_at,
        coalesce(updated_at, created_at) as changed_at,
        intake_id,
        source_file,
        row_number,
        flags,
        business_date
    from source
)

select * from final
