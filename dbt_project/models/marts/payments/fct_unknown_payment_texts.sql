with

counted as (
    select
        program,
        payment_method,
        provider,
        card_network,
        count(*) as transaction_count
    from {{ ref('int_transactions_latest') }}
    group by program, payment_method, provider, card_network
),

texts as (
    select
        program,
        'payment_method' as subject,
        payment_method as name,
        transaction_count
    from counted
    union all
    select
        program,
        'provider' as subject,
        provider as name,
        transaction_count
    from counted
    union all
    select
        program,
        'network' as subject,
        card_network as name,
        transaction_count
    from counted
),

-- In the e-commerce shape a network stands where the provider does.
known as (
    select
        subject,
        name
    from {{ ref('payment_names') }}
    union
    select
        'network' as subject,
        scheme as name
    from {{ ref('network_names') }}
    union
    select
        'provider' as subject,
        scheme as name
    from {{ ref('network_names') }}
),

unknown as (
    select
        texts.program,
        texts.subject,
        texts.name,
        texts.transaction_count
    from texts
    left join known using (subject, name)
    where known.name is null and texts.name != 'unknown'
),

final as (
    select
        concat_ws('/', program, subject, name) as unknown_payment_text_key,
        program,
        subject,
        name,
        cast(sum(transaction_count) as bigint) as transaction_count
    from unknown
    group by program, subject, name
)

select * from final
