with

source as (
    select * from {{ source('lake', 'reconciliation_totals') }}
),

final as (
    select
        concat_ws('/', business_date, program, currency) as reconciliation_key,
        program,
        currency,
        account_count,
        balance_minor,
        posted_minor,
        compared_from,
        business_date
    from source
)

select * from final
