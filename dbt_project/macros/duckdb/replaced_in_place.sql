{#-
    Views and tables are replaced in one statement and one transaction. dbt's own way makes another one beside
    it, renames both and drops the former, which takes a tenth of a build of small tables. No index, grant or
    foreign key is there to be carried over.
-#}

{% materialization view, adapter='duckdb' %}
{%- set target_relation = this.incorporate(type='view') -%}
{{ run_hooks(pre_hooks, inside_transaction=False) }}
{{ run_hooks(pre_hooks, inside_transaction=True) }}
{%- do drop_of_another_type(target_relation) -%}
{%- call statement('main') -%}
create or replace view {{ target_relation }} as (
{{ compiled_code }}
);
{%- endcall -%}
{{ run_hooks(post_hooks, inside_transaction=True) }}
{%- do adapter.commit() -%}
{{ run_hooks(post_hooks, inside_transaction=False) }}
{{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{% materialization table, adapter='duckdb' %}
{%- set target_relation = this.incorporate(type='table') -%}
{{ run_hooks(pre_hooks, inside_transaction=False) }}
{{ run_hooks(pre_hooks, inside_transaction=True) }}
{%- do drop_of_another_type(target_relation) -%}
{%- call statement('main') -%}
{%- if config.get('contract').enforced -%}
{{ get_assert_columns_equivalent(compiled_code) }}
create or replace table {{ target_relation }} {{ get_table_columns_and_constraints() }};
insert into {{ target_relation }} {{ get_column_names() }} ({{ get_select_subquery(compiled_code) }});
{%- else -%}
create or replace table {{ target_relation }} as (
{{ compiled_code }}
);
{%- endif -%}
{%- endcall -%}
{{ run_hooks(post_hooks, inside_transaction=True) }}
{%- do adapter.commit() -%}
{{ run_hooks(post_hooks, inside_transaction=False) }}
{{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{#- What a former version of the project built under the name, where it is not replaced by itself. -#}
{%- macro drop_of_another_type(relation) -%}
{%- set former = load_cached_relation(relation) -%}
{%- if former is not none and former.type != relation.type -%}
{%- do adapter.drop_relation(former) -%}
{%- endif -%}
{%- endmacro -%}
