-- A ledger balance is what may be spent and what is held, to the minor unit.
select * from {{ ref('fct_daily_balances') }}
where ledger_minor != available_minor + held_minor
