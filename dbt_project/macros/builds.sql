{#-
    How a build finds what changed (docs/marts.md). Before each build, the schema `builds` lists the
    business dates of every table of the lake, each with a hash of its files' contents; each
    incremental model keeps there, in the transaction that changes it, which of them it was built
    from. cardops/adapters/warehouse/build_records.py makes the tables.
-#}

{#- Whether this model is built upon its former rows. A unit test has none. -#}
{%- macro is_update() -%}
{%- if execute and this is not none and is_incremental() -%} yes {%- endif -%}
{%- endmacro -%}

{#- Dates of a lake table that differ from those this model was built from: `present` are in the lake
    now, `known` were in it at the model's last build. None where the model is built from the beginning. -#}
{%- macro touched_dates(table) -%}
{%- if not is_update() -%}{{ return(none) }}{%- endif -%}
{%- set found = run_query(touched_dates_query(table)) -%}
{{ return({
    'all': found.columns[0].values() | map('string') | list,
    'present': found.rows | selectattr(1) | map(attribute=0) | map('string') | list,
    'known': found.rows | selectattr(2) | map(attribute=0) | map('string') | list,
}) }}
{%- endmacro -%}

{%- macro touched_dates_query(table) -%}
    select
        business_date,
        present.content_hash is not null as is_present,
        known.content_hash is not null as is_known
    from (select * from builds.lake_dates where table_name = '{{ table }}') as present
    full outer join (
        select * from builds.built_dates
        where model = '{{ this.identifier }}' and table_name = '{{ table }}'
    ) as known using (business_date)
    where present.content_hash is distinct from known.content_hash
    order by business_date
{%- endmacro -%}

{#- A condition: the business date is one of these. Constants, so that only their files are read. -#}
{%- macro is_on(dates) -%}
{%- if dates -%}
business_date in (
{%- for day in dates %}date '{{ day }}'{{ ', ' if not loop.last }}{% endfor -%}
)
{%- else -%}
false
{%- endif -%}
{%- endmacro -%}

{#- A condition on a table with one row a key: the key may have a version of one of these dates. -#}
{%- macro may_have_versions_on(dates) -%}
{%- if not dates -%}
false
{%- elif dates | length > 20 -%}
(first_arrived_on <= date '{{ dates | last }}' and last_arrived_on >= date '{{ dates | first }}')
{%- else -%}
({% for day in dates %}date '{{ day }}' between first_arrived_on and last_arrived_on
{{- ' or ' if not loop.last }}{% endfor %})
{%- endif -%}
{%- endmacro -%}

{#- The dates of a lake table that hold all versions of these keys of this model, and the touched ones. -#}
{%- macro dates_to_read(table, touched, keys) -%}
{%- set query -%}
    select dates.business_date
    from builds.lake_dates as dates
    where
        dates.table_name = '{{ table }}'
        and (
            {{ is_on(touched.present) }}
            or exists (
                select 1 from (
                    select distinct first_arrived_on, last_arrived_on
                    from {{ this }}
                    where {{ config.get('unique_key') }} in ({{ keys }})
                ) as spans
                where dates.business_date between spans.first_arrived_on and spans.last_arrived_on
            )
        )
    order by 1
{%- endset -%}
{{ return(run_query(query).columns[0].values() | map('string') | list) }}
{%- endmacro -%}

{#- A condition on a model upstream: the row changed since this model was built last. -#}
{%- macro changed_since_built() -%}
changed_in_build > (select max(build_number) from builds.built_models where model = '{{ this.identifier }}')
{%- endmacro -%}

{#- Read when a model runs: dbt would parse each model again whose text names another number. -#}
{%- macro build_number() -%}
cast({{ env_var('CARDOPS_BUILD_NUMBER', '0') if execute else 0 }} as integer)
{%- endmacro -%}

{#- After a model: what it was built from, in the same transaction. `lake_tables` is in its meta. -#}
{%- macro remember_build() -%}
{%- if target.type == 'duckdb' and config.get('materialized') == 'incremental' -%}
{%- set tables = (config.get('meta') or {}).get('lake_tables', []) -%}
delete from builds.built_dates
where
    model = '{{ this.identifier }}'
    {% if is_update() %}
    and (table_name, business_date, content_hash) not in (
        select (table_name, business_date, content_hash) from builds.lake_dates
    )
    {% endif %};
insert into builds.built_dates
select '{{ this.identifier }}', table_name, business_date, content_hash, {{ build_number() }}
from builds.lake_dates
where
    table_name in ('{{ tables | join("', '") }}')
    and (table_name, business_date) not in (
        select (table_name, business_date) from builds.built_dates
        where model = '{{ this.identifier }}'
    );
delete from builds.built_models where model = '{{ this.identifier }}';
insert into builds.built_models
values (
    '{{ this.identifier }}', '{{ env_var("CARDOPS_PROJECT_HASH", "") }}', {{ build_number() }}
);
{%- endif -%}
{%- endmacro -%}

{#- A strategy: the rows of the touched dates are replaced, also where none remains. -#}
{%- macro get_incremental_whole_dates_sql(arguments) -%}
{%- set columns = arguments.dest_columns | map(attribute='quoted') | join(', ') -%}
{%- set tables = config.get('meta').lake_tables -%}
delete from {{ arguments.target_relation }} where {{ is_on(touched_dates(tables[0]).all) }};
insert into {{ arguments.target_relation }} ({{ columns }})
select {{ columns }} from {{ arguments.temp_relation }};
{%- endmacro -%}

{#- A strategy: the rows of the touched keys are replaced; a key that is gone has a row without a program. -#}
{%- macro get_incremental_whole_keys_sql(arguments) -%}
{%- set columns = arguments.dest_columns | map(attribute='quoted') | join(', ') -%}
delete from {{ arguments.target_relation }} where {{ arguments.unique_key }} in (
    select {{ arguments.unique_key }} from {{ arguments.temp_relation }}
);
insert into {{ arguments.target_relation }} ({{ columns }})
select {{ columns }} from {{ arguments.temp_relation }} where program is not null;
insert into builds.changed_keys
select '{{ this.identifier }}', {{ arguments.unique_key }}, {{ build_number() }}
from {{ arguments.temp_relation }};
{%- endmacro -%}
