{#- Whether a step ends its dispute, by its stage or by its status. -#}
{% macro is_ended(stage, status) -%}
    (
            {{ stage }} in ('won', 'lost', 'accepted', 'expired')
            or coalesce({{ status }}, '') in (
                'won', 'lost', 'accepted', 'expired', 'prevented', 'resolved'
            )
        )
{%- endmacro %}
