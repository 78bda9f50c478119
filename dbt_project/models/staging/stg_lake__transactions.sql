{{ config(meta={'lake_tables': ['transactions']}) }}

with

source as (
    select * from {{ source('lake', 'transactions') }}
),

names as (
    select * from {{ ref('payment_names') }}
),

-- Words that name no network, such as wallets, are in the table without one; a transfer between
-- banks goes through no card network.
networks as (
    select
        name as network_key,
        nullif(nullif(scheme, ''), 'electronic_check') as scheme
    from {{ ref('network_names') }}
),

final as (
    select
        source.intake_id || '/' || source.row_number as transaction_version_key,
        source.program || '/' || source.transaction_id as transaction_key,
        source.program,
        source.transaction_id,
        source.order_id,
        source.user_id,
        source.amount_minor,
        source.currency,
        {{ named_text('methods', 'source.payment_method') }} as payment_method,
        {{ named_text('providers', 'source.provider') }} as provider,
        source.status,
        source.error_code,
        -- In the e-commerce shape the provider may name the network.
        coalesce(
            stated.scheme,
            case
                when stated.network_key is null
                    then {{ normalized_text('source.card_network') }}
            end,
            provided.scheme,
            'unknown'
        ) as card_network,
        source.card_bin,
        source.card_last4,
        source.card_token,
        source.merchant_id,
        source.device_id,
        source.ip_address,
        source.email,
        source.created_at,
        source.updated_at,
        coalesce(source.updated_at, source.created_at) as changed_at,
        source.intake_id,
        source.source_file,
        source.row_number,
        source.flags,
        source.business_date
    from source
    left join names as methods
        on
            methods.subject = 'payment_method'
            and methods.spelling = {{ normalized_text('source.payment_method') }}
    left join names as providers
        on
            providers.subject = 'provider'
            and providers.spelling = {{ normalized_text('source.provider') }}
    left join networks as stated
        on stated.network_key = {{ network_key('source.card_network') }}
    left join networks as provided
        on provided.network_key = {{ network_key('source.provider') }}
)

select * from final
