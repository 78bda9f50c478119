with

source as (
    select * from {{ source('lake', 'fraud_ring_links') }}
),

snapshots as (
    select * from {{ ref('stg_lake__fraud_ring_snapshots') }}
),

-- Rows of a snapshot that was never finished are in no snapshot.
final as (
    select
        concat_ws(
            '/', source.business_date, source.ring_id, source.user_id, source.identifier
        ) as ring_link_key,
        source.ring_id,
        source.program,
        source.user_id,
        source.identifier_kind,
        source.identifier,
        source.masked,
        source.user_count,
        source.first_seen_at,
        source.last_seen_at,
        source.business_date,
        snapshots.is_latest
    from source
    inner join snapshots
        on
            source.business_date = snapshots.business_date
            and source.snapshot_id = snapshots.snapshot_id
)

select * from final
