-- A rejected request neither posts nor holds.
select * from {{ ref('stg_lake__log_entries') }}
where status = 'REJECT' and (posted_minor != 0 or held_change_minor != 0)
