{#- Trimmed, lower case, spaces and hyphens as underscores; null where nothing is left. -#}
{%- macro normalized_text(text) -%}
    nullif(replace(replace(lower(trim({{ text }})), ' ', '_'), '-', '_'), '')
{%- endmacro -%}

{#- The same without its separators, as cardops/rules/data/network_names.csv spells a network. -#}
{%- macro network_key(text) -%}
    nullif(
            replace(replace(replace(lower(trim({{ text }})), ' ', ''), '-', ''), '_', ''), ''
        )
{%- endmacro -%}

{#-
    A column's text by the table of names: what it knows by its name, what it does not know as it was
    normalized, and `unknown` where there is none. `names` is the table's alias in the join.
-#}
{%- macro named_text(names, text) -%}
    coalesce({{ names }}.name, {{ normalized_text(text) }}, 'unknown')
{%- endmacro -%}
