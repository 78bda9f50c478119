with

figures as (
    select * from {{ ref('stg_lake__safeguarding') }}
),

final as (
    select
        safeguarding_key,
        program,
        account_id,
        currency,
        check_name,
        bank_minor,
        owed_minor,
        difference_minor,
        is_break,
        compared_on,
        business_date
    from figures
)

select * from final
