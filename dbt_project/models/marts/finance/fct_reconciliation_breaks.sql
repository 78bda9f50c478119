with

breaks as (
    select * from {{ ref('stg_lake__reconciliation_breaks') }}
),

final as (
    select
        reconciliation_break_key,
        program,
        user_id,
        currency,
        check_name,
        subject,
        unit,
        side_a,
        side_b,
        amount_a_minor,
        amount_b_minor,
        difference_minor,
        business_date
    from breaks
)

select * from final
