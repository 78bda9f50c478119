with

source as (
    select * from {{ ref('stg_lake__fraud_ring_hubs') }}
),

final as (
    select
        concat_ws('/', program, hub) as ring_hub_key,
        program,
        identifier_kind,
        hub,
        masked,
        user_count,
        max_users,
        reason,
        business_date
    from source
    where is_latest
)

select * from final
