{#- How a dispute ended, by its stage, else by its status; `open` where it did not. -#}
{%- macro dispute_outcome(stage, status) -%}
case
            when {{ stage }} in ('won', 'lost', 'accepted', 'expired') then {{ stage }}
            when {{ status }} in ('won', 'lost', 'accepted', 'expired', 'prevented') then {{ status }}
            when {{ status }} = 'resolved' then 'resolved'
            else 'open'
        end
{%- endmacro -%}
