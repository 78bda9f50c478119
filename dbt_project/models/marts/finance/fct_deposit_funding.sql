{%- set window_days = var('funding_window_days') %}
with recursive

bank_entries as (
    select * from {{ ref('stg_lake__bank_statements') }}
),

bank_credits as (
    select * from bank_entries
    where amount_minor > 0
),

deposit_files as (
    select
        program,
        currency,
        intake_id,
        any_value(source_file) as source_file,
        lower(split_part(split_part(any_value(source_file), '/', -1), '.', 1)) as file_name,
        min(business_date) as credited_on,
        cast(sum(amount_minor) as bigint) as deposited_minor
    from {{ ref('stg_lake__deposits') }}
    -- A program without statements says nothing about its funding.
    where program in (select bank_entries.program from bank_entries)
    group by program, currency, intake_id
),

-- A payment that names a file belongs to it, whatever its amount.
named as (
    select
        bank_credits.bank_entry_key,
        bank_credits.amount_minor,
        deposit_files.program,
        deposit_files.currency,
        deposit_files.intake_id
    from bank_credits
    inner join deposit_files
        on
            bank_credits.program = deposit_files.program
            and bank_credits.currency = deposit_files.currency
            and length(deposit_files.file_name) >= 6
            and contains(bank_credits.payer_text, deposit_files.file_name)
            and abs({{ days_between('bank_credits.statement_date', 'deposit_files.credited_on') }})
            <= {{ window_days }}
    qualify row_number() over (
        partition by bank_credits.bank_entry_key
        order by length(deposit_files.file_name) desc, deposit_files.intake_id desc
    ) = 1
),

funded_by_name as (
    select
        program,
        currency,
        intake_id,
        cast(sum(amount_minor) as bigint) as funded_minor
    from named
    group by program, currency, intake_id
),

other_credits as (
    select bank_credits.*
    from bank_credits
    anti join named using (bank_entry_key)
),

-- The others are paired by equal amounts, in order of their dates.
files_left as (
    select
        deposit_files.program,
        deposit_files.currency,
        deposit_files.deposited_minor as amount_minor,
        deposit_files.credited_on,
        deposit_files.intake_id,
        row_number() over (
            partition by
                deposit_files.program, deposit_files.currency, deposit_files.deposited_minor
            order by deposit_files.credited_on, deposit_files.intake_id
        ) as position
    from deposit_files
    anti join funded_by_name using (program, currency, intake_id)
),

credits_left as (
    select
        program,
        currency,
        amount_minor,
        statement_date,
        bank_entry_key,
        row_number() over (
            partition by program, currency, amount_minor
            order by statement_date, bank_entry_key
        ) as position
    from other_credits
),

-- The next file and the next credit are a pair if they are near each other; else the earlier of
-- them has none, and the other waits for the next. One without a pair costs no later one its own.
steps as (
    select distinct
        program,
        currency,
        amount_minor,
        cast(1 as bigint) as file_position,
        cast(1 as bigint) as credit_position,
        false as is_pair
    from files_left
    union all
    select
        steps.program,
        steps.currency,
        steps.amount_minor,
        steps.file_position + cast(
            files_left.credited_on
            <= {{ days_after('credits_left.statement_date', window_days) }} as bigint
        ) as file_position,
        steps.credit_position + cast(
            credits_left.statement_date
            <= {{ days_after('files_left.credited_on', window_days) }} as bigint
        ) as credit_position,
        abs({{ days_between('files_left.credited_on', 'credits_left.statement_date') }})
        <= {{ window_days }} as is_pair
    from steps
    inner join files_left
        on
            steps.program = files_left.program
            and steps.currency = files_left.currency
            and steps.amount_minor = files_left.amount_minor
            and steps.file_position = files_left.position
    inner join credits_left
        on
            steps.program = credits_left.program
            and steps.currency = credits_left.currency
            and steps.amount_minor = credits_left.amount_minor
            and steps.credit_position = credits_left.position
),

-- A step stands behind its pair.
paired as (
    select
        files_left.program,
        files_left.currency,
        files_left.intake_id,
        credits_left.bank_entry_key,
        credits_left.amount_minor as funded_minor
    from steps
    inner join files_left
        on
            steps.program = files_left.program
            and steps.currency = files_left.currency
            and steps.amount_minor = files_left.amount_minor
            and steps.file_position - 1 = files_left.position
    inner join credits_left
        on
            steps.program = credits_left.program
            and steps.currency = credits_left.currency
            and steps.amount_minor = credits_left.amount_minor
            and steps.credit_position - 1 = credits_left.position
    where steps.is_pair
),

files as (
    select
        'file/' || deposit_files.intake_id || '/' || deposit_files.currency as funding_key,
        deposit_files.program,
        deposit_files.currency,
        deposit_files.intake_id,
        deposit_files.source_file,
        cast(null as string) as account_id,
        cast(null as string) as statement_id,
        cast(null as string) as entry_id,
        deposit_files.deposited_minor,
        coalesce(funded_by_name.funded_minor, paired.funded_minor, 0) as funded_minor,
        case
            when funded_by_name.intake_id is not null then 'reference'
            when paired.intake_id is not null then 'amount'
        end as matched_by,
        deposit_files.credited_on as since_on
    from deposit_files
    left join funded_by_name
        on
            deposit_files.intake_id = funded_by_name.intake_id
            and deposit_files.currency = funded_by_name.currency
    left join paired
        on
            deposit_files.intake_id = paired.intake_id
            and deposit_files.currency = paired.currency
),

credits_alone as (
    select
        'entry/' || other_credits.bank_entry_key as funding_key,
        other_credits.program,
        other_credits.currency,
        cast(null as bigint) as intake_id,
        cast(null as string) as source_file,
        other_credits.account_id,
        other_credits.statement_id,
        other_credits.entry_id,
        cast(0 as bigint) as deposited_minor,
        other_credits.amount_minor as funded_minor,
        cast(null as string) as matched_by,
        other_credits.statement_date as since_on
    from other_credits
    anti join paired using (bank_entry_key)
),

both_sides as (
    select * from files
    union all
    select * from credits_alone
),

final as (
    select
        funding_key,
        program,
        currency,
        intake_id,
        source_file,
        account_id,
        statement_id,
        entry_id,
        deposited_minor,
        funded_minor,
        matched_by,
        case
            when intake_id is null then 'not_credited'
            when matched_by is null then 'not_funded'
            when deposited_minor = funded_minor then 'funded'
            else 'amount_differs'
        end as state,
        since_on,
        {{ days_between('since_on', 'max(since_on) over ()') }} as age_days
    from both_sides
)

select * from final
