with

source as (
    select * from {{ source('lake', 'reconciliation_breaks') }}
),

final as (
    select
        concat_ws(
            '/', business_date, program, coalesce(currency, ''), coalesce(user_id, ''),
            side_a, side_b, row_number() over (
                partition by business_date, program, currency, user_id, side_a, side_b
                order by amount_a_minor, amount_b_minor, check_name, subject
            )
        ) as reconciliation_break_key,
        program,
        user_id,
        coalesce(currency, '') as currency,
        check_name,
        subject,
        coalesce(unit, 'minor') as unit,
        side_a,
        side_b,
        amount_a_minor,
        amount_b_minor,
        amount_a_minor - amount_b_minor as difference_minor,
        business_date
    from source
)

select * from final
