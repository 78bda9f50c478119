with

methods as (
    select
        program,
        payment_method
    from {{ ref('int_transactions_latest') }}
    union
    select
        program,
        payment_method
    from {{ ref('fct_disputes') }}
),

final as (
    select
        program || '/' || payment_method as payment_method_key,
        program,
        payment_method
    from methods
)

select * from final
