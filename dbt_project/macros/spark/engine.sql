{#-
    What dbt on Spark needs beside another dialect (dialect.sql): the lake in Spark's catalog, seeds
    with empty cells, and tables for models that DuckDB builds by dates (docs/scale-out.md).
-#}

{#- `dbt run-operation register_lake`: a table of Spark's catalog for each of the lake's. It has the
    columns of the file without rows, so that files of older releases read as on DuckDB. -#}
{% macro register_lake() %}
    {% set folder = env_var('CARDOPS_SOURCES') %}
    {% do run_query('create database if not exists lake') %}
    {% for source in graph.sources.values() if source.source_name == 'lake' %}
        {% set table = 'lake.' ~ source.identifier %}
        {% set files = folder ~ '/' ~ source.name %}
        {% set columns = run_query(
            'describe query select * from parquet.`' ~ files ~ '/shape/business_date=1970-01-01`'
        ) %}
        {% set declared = [] %}
        {% for column in columns.rows %}
            {% do declared.append('`' ~ column[0] ~ '` ' ~ column[1]) %}
        {% endfor %}
        {% do run_query('drop table if exists ' ~ table) %}
        {% do run_query(
            'create table ' ~ table ~ ' (' ~ declared | join(', ') ~ ', business_date date)'
            ~ " using parquet partitioned by (business_date) location '" ~ files ~ "/lake'"
        ) %}
    {% endfor %}
{% endmacro %}

{#- dbt-spark writes a cell without a value as the word None. -#}
{% macro spark__load_csv_rows(model, agate_table) %}
    {% set types = model['config'].get('column_types', {}) %}
    {% for chunk in agate_table.rows | batch(get_batch_size()) %}
        {% set listed = [] %}
        {% for row in chunk %}
            {% set cells = [] %}
            {% for column in agate_table.column_names %}
                {% set value = row[loop.index0] %}
                {% set literal = 'null' if value is none else
                    "'" ~ (value | string | replace('\\', '\\\\') | replace("'", "\\'")) ~ "'" %}
                {% set type = types.get(column) or adapter.convert_type(agate_table, loop.index0) %}
                {% do cells.append('cast(' ~ literal ~ ' as ' ~ type ~ ')') %}
            {% endfor %}
            {% do listed.append('(' ~ cells | join(', ') ~ ')') %}
        {% endfor %}
        {% do run_query('insert into ' ~ this.render() ~ ' values ' ~ listed | join(', ')) %}
    {% endfor %}
    {{ return('') }}
{% endmacro %}

{% materialization incremental, adapter='spark', supported_languages=['sql'] %}
    {{ return(materialization_table_spark()) }}
{% endmaterialization %}
