with

source as (
    select * from {{ source('lake', 'fraud_ring_hubs') }}
),

snapshots as (
    select * from {{ ref('stg_lake__fraud_ring_snapshots') }}
),

-- Rows of a snapshot that was never finished are in no snapshot.
final as (
    select
        concat_ws('/', source.business_date, source.program, source.hub) as ring_hub_key,
        source.program,
        source.identifier_kind,
        source.hub,
        source.masked,
        source.user_count,
        source.max_users,
        source.reason,
        source.business_date,
        snapshots.is_latest
    from source
    inner join snapshots
        on
            source.business_date = snapshots.business_date
            and source.snapshot_id = snapshots.snapshot_id
)

select * from final
