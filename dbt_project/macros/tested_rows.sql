{#-
    Which rows a data test reads (docs/marts.md, "What tests read"): those that builds changed since the
    test passed last, and all of them once a week. DuckDB alone; Spark tests everything.
-#}

{#- dbt's own hook of generic tests: the rows of the model that is tested. -#}
{%- macro duckdb__get_where_subquery(relation) -%}
{%- set given = config.get('where', '') -%}
{%- set touched = touched_rows(model.attached_node or model.depends_on.nodes[0], relation, compared_column()) -%}
{%- set conditions = [given, touched] | select | list -%}
{%- if conditions -%}
{%- do return('(select * from ' ~ relation ~ ' where (' ~ conditions | join(') and (') ~ ')) as dbt_subquery') -%}
{%- else -%}
{%- do return(relation) -%}
{%- endif -%}
{%- endmacro -%}

{#- The same for a singular test. Not for one that needs the rows of a model that did not change. -#}
{%- macro rows_to_test(relation) -%}
{%- set ids = model.depends_on.nodes | default([]) if execute else [] -%}
{%- for id in ids if id.split('.')[-1] == relation.identifier -%}
{%- set touched = touched_rows(id, relation, none) -%}
{%- if touched -%} (select * from {{ relation }} where {{ touched }}) {%- else -%} {{ relation }} {%- endif -%}
{%- else -%}
{{ relation }}
{%- endfor -%}
{%- endmacro -%}

{#- The column in which a test looks for repeated values, which may be in rows that did not change. -#}
{%- macro compared_column() -%}
{%- set test = model.test_metadata -%}
{%- if test and test.name in ('is_key', 'unique') -%}{{ return(test.kwargs.column_name) }}{%- endif -%}
{{ return(none) }}
{%- endmacro -%}

{#- A condition: rows of this node that changed since the test passed last. Empty for all rows. -#}
{%- macro touched_rows(id, relation, compared) -%}
{%- set passed = passed_in_build() -%}
{%- if passed is none -%}{{ return('') }}{%- endif -%}
{%- set node = graph.nodes.get(id) or graph.sources.get(id) -%}
{%- set settings = node.config -%}
{%- set meta = settings.meta or {} -%}
{%- if node.resource_type == 'source' -%}
{{ return(is_on(changed_lake_dates([node.name], passed))) }}
{%- elif settings.materialized == 'view' and meta.lake_tables -%}
{{ return(is_on(changed_lake_dates(meta.lake_tables, passed))) }}
{%- elif meta.changes_with -%}
{%- set changed = graph.nodes['model.cardops.' ~ meta.changes_with].relation_name -%}
{{ return(meta.key ~ ' in (select ' ~ meta.key ~ ' from ' ~ changed ~ ' where changed_in_build > ' ~ passed ~ ')') }}
{%- elif settings.materialized != 'incremental' -%}
{{ return('') }}
{%- elif settings.incremental_strategy == 'whole_dates' -%}
{%- set is_touched = is_on(changed_model_dates(node.name, passed)) -%}
{{ return(
    is_touched ~ ' or ' ~ compared ~ ' in (select ' ~ compared ~ ' from ' ~ relation ~ ' where ' ~ is_touched ~ ')'
    if compared else is_touched
) }}
{%- elif settings.incremental_strategy == 'whole_keys' -%}
{#- Keys are kept as text, whatever their type. -#}
{{ return('cast(' ~ settings.unique_key ~ " as varchar) in (select changed_key from builds.changed_keys where model = '" ~ node.name
    ~ "' and changed_in_build > " ~ passed ~ ')') }}
{%- else -%}
{{ return('changed_in_build > ' ~ passed) }}
{%- endif -%}
{%- endmacro -%}

{#- The build in which this test passed last; none where it must read every row. -#}
{%- macro passed_in_build() -%}
{%- if not execute or not env_var('CARDOPS_BUILD_NUMBER', '') or env_var('CARDOPS_TESTED_ROWS', '') == 'all' -%}
{{ return(none) }}
{%- endif -%}
{%- set found = run_query(
    "select build_number from builds.passed_tests where test = '" ~ model.unique_id
    ~ "' and tests_hash = '" ~ env_var('CARDOPS_TESTS_HASH')
    ~ "' and whole_on >= date '" ~ env_var('CARDOPS_TESTED_WHOLE_SINCE') ~ "'"
) -%}
{{ return(found.rows[0][0] if found.rows else none) }}
{%- endmacro -%}

{%- macro changed_lake_dates(tables, passed) -%}
{%- set found = run_query(
    "select distinct business_date from builds.lake_dates where table_name in ('" ~ tables | join("', '")
    ~ "') and changed_in_build > " ~ passed ~ ' order by business_date'
) -%}
{{ return(found.columns[0].values() | map('string') | list) }}
{%- endmacro -%}

{%- macro changed_model_dates(name, passed) -%}
{%- set found = run_query(
    "select distinct business_date from builds.built_dates where model = '" ~ name
    ~ "' and changed_in_build > " ~ passed ~ ' order by business_date'
) -%}
{{ return(found.columns[0].values() | map('string') | list) }}
{%- endmacro -%}

{#- At the end of a run: the tests that passed. One that failed reads the same rows again the next time. -#}
{%- macro remember_passed_tests(results) -%}
{%- if execute and target.type == 'duckdb' and env_var('CARDOPS_BUILD_NUMBER', '') -%}
{%- set passed = [] -%}
{%- for result in results if result.node.resource_type == 'test' and result.status == 'pass' -%}
{%- do passed.append(result.node.unique_id) -%}
{%- endfor -%}
{%- set hash = env_var('CARDOPS_TESTS_HASH') -%}
delete from builds.passed_tests where tests_hash != '{{ hash }}' or test in ('{{ passed | join("', '") }}');
{% if passed -%}
insert into builds.passed_tests
select
    unnest(['{{ passed | join("', '") }}']),
    '{{ hash }}',
    {{ build_number() }},
    date '{{ env_var("CARDOPS_TESTED_WHOLE_SINCE") }}';
{%- endif %}
delete from builds.changed_keys where changed_in_build <= (select min(build_number) from builds.passed_tests);
{%- endif -%}
{%- endmacro -%}

{#- A generic test: every row has a key, and no other row has the same one. Half the time of two tests. -#}
{%- macro test_is_key(model, column_name) -%}
select
    {{ column_name }} as row_key,
    count(*) as row_count
from {{ model }}
group by {{ column_name }}
having count(*) > 1 or {{ column_name }} is null
{%- endmacro -%}
