-- A permitted request never leaves a negative available balance.
select * from {{ rows_to_test(ref('fct_authorizations')) }}
where status = 'PERMIT' and remaining_minor < 0
