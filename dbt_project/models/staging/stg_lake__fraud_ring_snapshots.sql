with

source as (
    select * from {{ source('lake', 'fraud_ring_snapshots') }}
),

final as (
    select
        concat_ws('/', business_date, snapshot_id) as snapshot_key,
        snapshot_id,
        ring_count,
        member_count,
        identifier_count,
        hub_count,
        new_ring_count,
        ended_ring_count,
        oversized_ring_count,
        former_on,
        business_date,
        business_date = max(business_date) over () as is_latest
    from source
)

select * from final
