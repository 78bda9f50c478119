-- A rejected request posts nothing and holds nothing.
select * from {{ rows_to_test(ref('stg_lake__log_entries')) }}
where status = 'REJECT' and (posted_minor != 0 or held_change_minor != 0)
