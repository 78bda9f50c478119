{#- What the engines spell differently. sqlfluff's templater knows no target: it sees DuckDB's words. -#}
{%- macro is_spark() -%}
    {%- if target is defined and target.type == 'spark' -%} yes {%- endif -%}
{%- endmacro -%}

{#- A type for products of sums, which 64 bits may not hold. -#}
{%- macro wide_integer() -%}
    {%- if is_spark() -%} decimal(38, 0) {%- else -%} hugeint {%- endif -%}
{%- endmacro -%}

{#- The quotient of two whole numbers that are not negative, rounded down, exact at any size. -#}
{%- macro whole_quotient(part, whole) -%}
    {%- if is_spark() -%}
    ({{ part }}) div ({{ whole }})
    {%- else -%}
    ({{ part }}) // ({{ whole }})
    {%- endif -%}
{%- endmacro -%}

{#- The date of an instant, in UTC. -#}
{%- macro utc_date(instant) -%}
    {%- if is_spark() -%}
    to_date({{ instant }})
    {%- else -%}
    cast(timezone('UTC', {{ instant }}) as date)
    {%- endif -%}
{%- endmacro -%}

{#- The first day of a date's month. -#}
{%- macro month_of(day) -%}
    cast(date_trunc('month', {{ day }}) as date)
{%- endmacro -%}

{#- The first day of the month after a date's. -#}
{%- macro next_month_of(day) -%}
    {%- if is_spark() -%}
    add_months(trunc({{ day }}, 'MM'), 1)
    {%- else -%}
    cast(date_trunc('month', {{ day }}) + interval 1 month as date)
    {%- endif -%}
{%- endmacro -%}

{#- Months from one date's month to another's. -#}
{%- macro months_between(first_day, last_day) -%}
    (extract(year from {{ last_day }}) - extract(year from {{ first_day }})) * 12
            + extract(month from {{ last_day }}) - extract(month from {{ first_day }})
{%- endmacro -%}

{#- The last day of a date's month. -#}
{%- macro last_day_of(day) -%}
    last_day({{ day }})
{%- endmacro -%}

{#- The date so many days after another. -#}
{%- macro days_after(day, days) -%}
    {%- if is_spark() -%}
    date_add({{ day }}, cast({{ days }} as integer))
    {%- else -%}
    {{ day }} + cast({{ days }} as integer)
    {%- endif -%}
{%- endmacro -%}

{#- Whole days from one date to another. -#}
{%- macro days_between(first_day, last_day) -%}
    {%- if is_spark() -%}
    datediff({{ last_day }}, {{ first_day }})
    {%- else -%}
    date_diff('day', {{ first_day }}, {{ last_day }})
    {%- endif -%}
{%- endmacro -%}

{#- Seconds from one instant to another, by the seconds that they name. -#}
{%- macro seconds_between(first_instant, last_instant) -%}
    {%- if is_spark() -%}
    (unix_timestamp({{ last_instant }}) - unix_timestamp({{ first_instant }}))
    {%- else -%}
    date_diff('second', {{ first_instant }}, {{ last_instant }})
    {%- endif -%}
{%- endmacro -%}

{#- The instant at which a date begins in UTC; the date is the caller's block. -#}
{%- macro utc_midnight() -%}
    {%- if is_spark() -%}
    cast({{ caller() }} as timestamp)
    {%- else -%}
    timezone('UTC', cast({{ caller() }} as timestamp))
    {%- endif -%}
{%- endmacro -%}

{%- macro all_columns_but(columns) -%}
    {%- if is_spark() -%} * except ({{ columns }}) {%- else -%} * exclude ({{ columns }}) {%- endif -%}
{%- endmacro -%}

{%- macro empty_list() -%}
    {%- if is_spark() -%} cast(array() as array<string>) {%- else -%} [] {%- endif -%}
{%- endmacro -%}

{%- macro list_size(list) -%}
    {%- if is_spark() -%} cardinality({{ list }}) {%- else -%} len({{ list }}) {%- endif -%}
{%- endmacro -%}

{#- The different values of a group, in their order. -#}
{%- macro sorted_list(value) -%}
    {%- if is_spark() -%}
    array_sort(collect_set({{ value }}))
    {%- else -%}
    list(distinct {{ value }} order by {{ value }})
    {%- endif -%}
{%- endmacro -%}

{#- The values of the caller's block that are not null. -#}
{%- macro list_without_nulls() -%}
    {%- if is_spark() -%}
    filter(array({{ caller() }}), item -> item is not null)
    {%- else -%}
    list_filter([{{ caller() }}], lambda item: item is not null)
    {%- endif -%}
{%- endmacro -%}

{#- A row for each value of a list. -#}
{%- macro rows_of_list(list) -%}
    {%- if is_spark() -%} explode({{ list }}) {%- else -%} unnest({{ list }}) {%- endif -%}
{%- endmacro -%}

{#- Of a CTE that is named more than once: read what it reads each time, and keep no copy of it. -#}
{%- macro read_anew() -%}
    {%- if not is_spark() -%} not materialized {%- endif -%}
{%- endmacro -%}

{#- The first value of a window that is not null. -#}
{%- macro first_known(column) -%}
    {%- if is_spark() -%}
    first_value({{ column }}) ignore nulls
    {%- else -%}
    first_value({{ column }} ignore nulls)
    {%- endif -%}
{%- endmacro -%}

{#- Several columns as a subquery selects them to be compared at once: `(a, b) in (select ...)`. -#}
{%- macro compared_columns(columns) -%}
    {%- if is_spark() -%} {{ columns }} {%- else -%} ({{ columns }}) {%- endif -%}
{%- endmacro -%}

{#- A sum of 64-bit amounts. Spark's own would wrap around, and say nothing. -#}
{%- macro exact_sum(amount) -%}
    {%- if is_spark() -%}
    sum(cast({{ amount }} as decimal(38, 0)))
    {%- else -%}
    sum({{ amount }})
    {%- endif -%}
{%- endmacro -%}
