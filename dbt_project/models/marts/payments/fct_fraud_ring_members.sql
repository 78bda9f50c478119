with

source as (
    select * from {{ ref('stg_lake__fraud_ring_members') }}
),

final as (
    select
        concat_ws('/', ring_id, user_id) as ring_member_key,
        ring_id,
        program,
        user_id,
        identifier_count,
        linked_member_count,
        linked_by,
        transaction_count,
        dispute_count,
        inquiry_count,
        is_new,
        first_seen_at,
        last_seen_at,
        business_date
    from source
    where is_latest
)

select * from final
