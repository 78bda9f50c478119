with

source as (
    select * from {{ source('lake', 'deposits') }}
),

final as (
    select
        program || '/' || deposit_id as deposit_key,
        program,
        deposit_id,
        user_id,
        currency,
        amount_minor,
        occurred_at,
        ledger_seq,
        intake_id,
        source_file,
        row_number,
        flags,
        business_date
    from source
)

select * from final
