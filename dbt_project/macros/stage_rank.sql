{#- Position of a dispute's stage in the order in which stages follow each other. -#}
{% macro stage_rank(stage) -%}
    case {{ stage }}
            when 'inquiry' then 1
            when 'chargeback' then 2
            when 'representment' then 3
            when 'pre_arbitration' then 4
            when 'arbitration' then 5
            else 6
        end
{%- endmacro %}
