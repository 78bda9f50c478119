with

source as (
    select * from {{ source('lake', 'fraud_rings') }}
),

snapshots as (
    select * from {{ ref('stg_lake__fraud_ring_snapshots') }}
),

-- Rows of a snapshot that was never finished are in no snapshot.
final as (
    select
        concat_ws('/', source.business_date, source.ring_id) as ring_key,
        source.ring_id,
        source.program,
        source.position,
        source.member_count,
        source.device_count,
        source.card_token_count,
        source.email_count,
        source.ip_address_count,
        source.transaction_count,
        source.dispute_count,
        source.inquiry_count,
        source.disputing_member_count,
        source.cycle_count,
        source.is_oversized,
        source.is_new,
        source.known_since,
        source.first_seen_at,
        source.last_seen_at,
        source.merged_from,
        source.split_from,
        source.business_date,
        snapshots.is_latest
    from source
    inner join snapshots
        on
            source.business_date = snapshots.business_date
            and source.snapshot_id = snapshots.snapshot_id
)

select * from final
