-- The latest closing balance of an account is the sum of its postings up to that day. Log rows with
-- a higher ledger_seq than the balance's were written after it was read, so they are left out.
{{ config(meta={'dagster': {'ref': {'name': 'fct_daily_balances'}}}) }}

with

latest as (
    select * from {{ ref('fct_daily_balances') }}
    qualify business_date = max(business_date) over (partition by program)
),

log_entries as (
    select * from {{ ref('stg_lake__log_entries') }}
    where posted_minor != 0
),

sums as (
    select
        latest.balance_key,
        latest.ledger_minor,
        coalesce(sum(log_entries.posted_minor), 0) as posted_minor
    from latest
    left join log_entries
        on
            latest.program = log_entries.program
            and latest.user_id = log_entries.user_id
            and latest.currency = log_entries.currency
            and latest.ledger_seq >= log_entries.ledger_seq
            and latest.business_date >= log_entries.business_date
    group by latest.balance_key, latest.ledger_minor
)

select * from sums
where ledger_minor != posted_minor
