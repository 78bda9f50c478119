{#-
    Every close writes a file of these tables for its date, also one without rows. A table whose newest
    date is behind that of the others was left out of a close, so the marts show an older state of it.
    Safeguarding compares a date after its books, so its newest date is that of the close before.
    Compared by files, as the build lists them (macros/builds.sql); Spark has no such list.
-#}
{%- macro test_is_of_the_newest_closed_date(model, table) -%}
{{ config(severity='warn') }}
{%- set days_behind = 1 if table == 'safeguarding' else 0 %}
{%- if target.type == 'duckdb' %}
select newest_on
from (
    select
        max(business_date) as closed_on,
        max(case when table_name = '{{ table }}' then business_date end) as newest_on
    from builds.lake_dates
    where table_name in ('balances', 'transaction_log', 'reconciliation_totals', '{{ table }}')
) as dates
where newest_on is null or newest_on < closed_on - {{ days_behind }}
{%- else %}
select 1 as nothing where 1 = 0
{%- endif %}
{%- endmacro -%}
