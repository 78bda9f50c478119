{{ config(meta={'changes_with': 'int_transaction_histories', 'key': 'transaction_key'}) }}

with

histories as (
    select * from {{ ref('int_transaction_histories') }}
    -- A transaction of which no version is left keeps a row without values.
    where version_count is not null
),

final as (
    select
        transaction_key,
        program,
        transaction_id,
        order_id,
        coalesce(user_id, order_user_id) as user_id,
        amount_minor,
        currency,
        payment_method,
        provider,
        card_network,
        merchant_id,
        status,
        error_code,
        created_at,
        changed_at,
        business_date
    from histories
)

select * from final
