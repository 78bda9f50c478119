with

log_entries as (
    select * from {{ ref('stg_lake__log_entries') }}
),

final as (
    select
        concat_ws('/', business_date, program, currency, kind) as daily_movement_key,
        program,
        currency,
        kind,
        business_date,
        count(*) as entry_count,
        cast(sum(posted_minor) as decimal(38, 0)) as posted_minor,
        cast(sum(held_change_minor) as decimal(38, 0)) as held_change_minor
    from log_entries
    -- A void that came before its authorization is logged, but has no account yet.
    where
        coalesce(status, 'PERMIT') = 'PERMIT'
        and currency is not null
    group by program, currency, kind, business_date
)

select * from final
