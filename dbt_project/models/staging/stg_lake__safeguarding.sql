with

source as (
    select * from {{ source('lake', 'safeguarding') }}
),

final as (
    select
        concat_ws(
            '/',
            business_date,
            check_name,
            program,
            coalesce(account_id, ''),
            coalesce(currency, '')
        ) as safeguarding_key,
        program,
        account_id,
        currency,
        check_name,
        bank_minor,
        owed_minor,
        bank_minor - owed_minor as difference_minor,
        is_break,
        coalesce(compared_on, business_date) as compared_on,
        business_date
    from source
)

select * from final
