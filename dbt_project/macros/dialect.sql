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

{#- The last day of a date's month. -#}
{%- macro last_day_of(day) -%}
    last_day({{ day }})
{%- endmacro -%}

{#- The date so many days after another. -#}
{%- macro days_after(day, days) -%}
    {%- if is_spark() -%}
    date_add({{ day }}, {{ days }})
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

{#- Of a CTE that is named more than once: read what it reads each time, and keep no copy of it. -#}
{%- macro read_anew() -%}
    {%- if not is_spark() -%} not materialized {%- endif -%}
{%- endmacro -%}
