-- A ledger balance equals the available balance plus open holds, to the minor unit.
select * from {{ rows_to_test(ref('fct_daily_balances')) }}
where ledger_minor != available_minor + held_minor
