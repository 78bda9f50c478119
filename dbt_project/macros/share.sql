{#- Part over whole as a decimal with six digits; null where the whole is zero. -#}
{% macro share(part, whole) -%}
    cast({{ part }} as decimal(18, 6)) / nullif({{ whole }}, 0)
{%- endmacro %}
