with

source as (
    select * from {{ source('lake', 'bank_statements') }}
),

final as (
    select
        intake_id || '/' || row_number as bank_entry_key,
        program,
        account_id,
        statement_id,
        entry_id,
        currency,
        amount_minor,
        statement_date,
        lower(concat_ws(' ', reference, remittance)) as payer_text
    from source
)

select * from final
