{#- A share of counts with six digits; null where there is nothing to take a share of. -#}
{% macro share(part, whole) -%}
    cast({{ part }} as decimal(18, 6)) / nullif({{ whole }}, 0)
{%- endmacro %}
