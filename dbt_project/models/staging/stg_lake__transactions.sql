with

source as (
    select * from {{ source('lake', 'transactions') }}
),

final as (
    select
        intake_id || '/' || row_number as transaction_version_key,
        program || '/' || transaction_id as transaction_key,
        program,
        transaction_id,
        order_id,
        user_id,
        amount_minor,
        currency,
        payment_method,
        provider,
        status,
        error_code,
        card_network,
        card_bin,
        card_last4,
        card_token,
        merchant_id,
        device_id,
        ip_address,
        email,
        created_at,
        updated_at,
        coalesce(updated_at, created_at) as changed_at,
        intake_id,
        source_file,
        row_number,
        flags,
        business_date
    from source
)

select * from final
