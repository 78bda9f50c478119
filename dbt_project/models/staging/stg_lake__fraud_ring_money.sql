with

source as (
    select * from {{ source('lake', 'fraud_ring_money') }}
),

snapshots as (
    select * from {{ ref('stg_lake__fraud_ring_snapshots') }}
),

-- Rows of a snapshot that was never finished are in no snapshot.
final as (
    select
        concat_ws('/', source.business_date, source.ring_id, source.currency) as ring_money_key,
        source.ring_id,
        source.program,
        source.currency,
        source.dispute_count,
        source.disputed_amount_minor,
        source.settled_transaction_count,
        source.settled_amount_minor,
        source.business_date,
        snapshots.is_latest
    from source
    inner join snapshots
        on
            source.business_date = snapshots.business_date
            and source.snapshot_id = snapshots.snapshot_id
)

select * from final
