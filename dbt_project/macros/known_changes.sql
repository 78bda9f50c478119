{#-
    What transactions change in a figure on each business date: added where a state came to be known,
    taken out again where another one replaced it. A build makes the dates anew from the first one on
    that was touched in the lake: what was known before it stands.
-#}

{#- The CTEs of such a model: sums of `figures`, by name, over the spans of `wanted` states. -#}
{%- macro known_changes(touched, spans, groups, figures, wanted) -%}
{%- set names = groups.keys() | join(', ') -%}
{%- set since -%}
{%- if touched is none -%} true
{%- elif touched.all -%} {date} >= date '{{ touched.all | first }}'
{%- else -%} false
{%- endif -%}
{%- endset -%}
states as (
    select
        known_from_on,
        replaced_on,
        {%- for name, expression in groups.items() %}
        {{ expression }} as {{ name }},
        {%- endfor %}
        {%- for name, expression in figures.items() %}
        {{ expression }} as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ spans }}
    where
        {{ wanted }}
        and (
            {{ since | replace('{date}', 'known_from_on') }}
            or {{ since | replace('{date}', 'replaced_on') }}
        )
),

signed as (
    select
        known_from_on as known_on,
        {{ names }},
        {{ figures.keys() | join(', ') }}
    from states
    union all
    select
        replaced_on as known_on,
        {{ names }},
        {% for name in figures %}-{{ name }} as {{ name }}{{ ', ' if not loop.last }}{% endfor %}
    from states
    where replaced_on is not null
),

changes as (
    select
        known_on,
        {{ names }},
        {%- for name in figures %}
        cast({{ exact_sum(name) }} as decimal(38, 0)) as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from signed
    where {{ since | replace('{date}', 'known_on') }}
    group by known_on, {{ names }}
    having {% for name in figures %}sum({{ name }}) != 0{{ ' or ' if not loop.last }}{% endfor %}
),

{% if touched is not none %}
-- A date of which nothing is left has a row without a program, by which its former rows go.
touched as (
    select known_on from changes
    union
    select known_on from {{ this }} where {{ since | replace('{date}', 'known_on') }}
),
{% endif %}

final as (
    select
        {{ 'touched' if touched is not none else 'changes' }}.known_on,
        changes.{{ all_columns_but('known_on') }}
    {% if touched is not none %}
    from touched
    left join changes on touched.known_on = changes.known_on
    {% else %}
    from changes
    {% endif %}
)

select * from final
{%- endmacro -%}

{#- The dates on which versions of the changed transactions arrived that have several of them. -#}
{%- macro dates_of_changed_histories(histories) -%}
{%- set query -%}
    select dates.business_date
    from builds.lake_dates as dates
    where
        dates.table_name = 'transactions'
        and exists (
            select 1 from (
                select distinct first_arrived_on, last_arrived_on
                from {{ histories }}
                where {{ changed_since_built() }} and first_arrived_on < last_arrived_on
            ) as spans
            where dates.business_date between spans.first_arrived_on and spans.last_arrived_on
        )
    order by 1
{%- endset -%}
{{ return(run_query(query).columns[0].values() | map('string') | list) }}
{%- endmacro -%}
