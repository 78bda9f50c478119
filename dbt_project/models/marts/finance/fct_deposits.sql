with

log_entries as (
    select * from {{ ref('int_deposit_entries') }}
),

deposits as (
    select * from log_entries
    where kind = 'deposit'
),

-- Few deposits are recalled, so that only these are grouped.
changes as (
    select
        program,
        deposit_id,
        sum(case when kind = 'recall' then 1 else 0 end) as recall_count,
        sum(case when kind = 'reinstatement' then 1 else 0 end) as reinstatement_count,
        max(case when kind = 'recall' then posted_at end) as recalled_at
    from log_entries
    where kind != 'deposit'
    group by program, deposit_id
),

reinstatements as (
    select
        *,
        row_number() over (
            partition by program, deposit_id
            order by credit_number desc
        ) as position
    from log_entries
    where kind = 'reinstatement'
),

in_lake as (
    select * from {{ ref('stg_lake__deposits') }}
),

-- What is credited but not logged yet, since its date is not closed, is in the lake alone.
all_deposits as (
    select
        program,
        deposit_id,
        user_id,
        currency,
        amount_minor,
        ledger_seq,
        posted_at
    from deposits
    union all
    select
        in_lake.program,
        in_lake.deposit_id,
        in_lake.user_id,
        in_lake.currency,
        in_lake.amount_minor,
        in_lake.ledger_seq,
        null as posted_at
    from in_lake
    left join deposits
        on in_lake.program = deposits.program and in_lake.deposit_id = deposits.deposit_id
    where deposits.deposit_id is null
),

-- A reinstatement may be of a file that the bank corrected: what was credited last counts.
final as (
    select
        credited.program || '/' || credited.deposit_id as deposit_key,
        credited.program
        || '/'
        || coalesce(again.currency, credited.currency)
        || '/'
        || coalesce(again.user_id, credited.user_id) as account_key,
        credited.program,
        credited.deposit_id,
        coalesce(again.user_id, credited.user_id) as user_id,
        coalesce(again.currency, credited.currency) as currency,
        coalesce(again.amount_minor, credited.amount_minor) as amount_minor,
        case
            when coalesce(changes.recall_count, 0) > coalesce(changes.reinstatement_count, 0)
                then 'recalled'
            when changes.reinstatement_count > 0 then 'reinstated'
            else 'credited'
        end as state,
        cast(coalesce(changes.recall_count, 0) as bigint) as recall_count,
        cast(coalesce(changes.reinstatement_count, 0) as bigint) as reinstatement_count,
        in_lake.occurred_at,
        credited.posted_at,
        changes.recalled_at,
        again.posted_at as reinstated_at,
        coalesce(again.ledger_seq, credited.ledger_seq) as ledger_seq,
        in_lake.intake_id,
        in_lake.source_file,
        in_lake.row_number,
        in_lake.business_date
    from all_deposits as credited
    left join changes
        on credited.program = changes.program and credited.deposit_id = changes.deposit_id
    left join reinstatements as again
        on
            credited.program = again.program
            and credited.deposit_id = again.deposit_id
            and again.position = 1
    left join in_lake
        on credited.program = in_lake.program and credited.deposit_id = in_lake.deposit_id
)

select * from final
