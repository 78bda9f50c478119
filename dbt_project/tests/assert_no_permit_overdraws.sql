-- A permitted request leaves a remaining credit of zero or more, and never one below it.
select * from {{ ref('fct_decisions') }}
where status = 'PERMIT' and remaining_minor < 0
