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

known as (
    select distinct name as payment_method
    from {{ ref('payment_names') }}
    where subject = 'payment_method'
),

final as (
    select
        methods.program || '/' || methods.payment_method as payment_method_key,
        methods.program,
        methods.payment_method,
        known.payment_method is not null as is_known
    from methods
    left join known using (payment_method)
)

select * from final
