with

source as (
    select * from {{ ref('stg_lake__fraud_rings') }}
),

final as (
    select
        ring_id,
        program,
        position,
        member_count,
        device_count,
        card_token_count,
        email_count,
        ip_address_count,
        transaction_count,
        dispute_count,
        inquiry_count,
        disputing_member_count,
        cycle_count,
        cycle_count > 0 as has_cycles,
        is_oversized,
        is_new,
        known_since,
        first_seen_at,
        last_seen_at,
        merged_from,
        split_from,
        business_date
    from source
    where is_latest
)

select * from final
