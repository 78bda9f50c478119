with

waiting as (
    select * from {{ ref('stg_lake__waiting_disputes') }}
),

final as (
    select
        concat_ws(
            '/', business_date, program, network, reason, coalesce(dispute_currency, '')
        ) as waiting_key,
        program,
        network,
        reason,
        dispute_currency,
        count(*) as row_count,
        count(distinct case_number) as dispute_count,
        cast({{ exact_sum('dispute_amount_minor') }} as decimal(38, 0)) as dispute_amount_minor,
        min(waiting_since) as waiting_since,
        min(reply_by_on) as reply_by_on,
        business_date
    from waiting
    group by business_date, program, network, reason, dispute_currency
)

select * from final
