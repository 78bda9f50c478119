{#- A count so far as it will be at the month's end, linear by days, half rounded up. -#}
{%- macro month_end_forecast(count) -%}
    {{ whole_quotient('2 * ' ~ count ~ ' * month_days + elapsed_days', '2 * elapsed_days') }}
{%- endmacro -%}
