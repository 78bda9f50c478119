with

deliveries as (
    select * from {{ ref('stg_lake__file_deliveries') }}
),

-- A snapshot has every file, so the last one has all there is.
last_snapshot as (
    select max(business_date) as business_date
    from deliveries
),

final as (
    select
        deliveries.batch_id || '/' || deliveries.network as delivery_key,
        deliveries.program,
        deliveries.batch_id,
        deliveries.network,
        deliveries.destination,
        deliveries.file_name,
        deliveries.sequence,
        deliveries.row_count,
        deliveries.state,
        deliveries.content_sha256,
        case when deliveries.state = 'delivered' then deliveries.sent_sha256 end
            as verified_sha256,
        deliveries.attempt_count,
        deliveries.made_at,
        deliveries.delivered_at,
        deliveries.counts_on,
        deliveries.acknowledgement,
        deliveries.accepted_count,
        deliveries.rejected_count,
        deliveries.acknowledged_at,
        deliveries.business_date
    from deliveries
    inner join last_snapshot
        on deliveries.business_date = last_snapshot.business_date
)

select * from final
