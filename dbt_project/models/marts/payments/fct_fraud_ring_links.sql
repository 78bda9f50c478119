with

source as (
    select * from {{ ref('stg_lake__fraud_ring_links') }}
),

final as (
    select
        concat_ws('/', ring_id, user_id, identifier) as ring_link_key,
        ring_id,
        program,
        user_id,
        identifier_kind,
        identifier,
        masked,
        user_count,
        first_seen_at,
        last_seen_at,
        business_date
    from source
    where is_latest
)

select * from final
