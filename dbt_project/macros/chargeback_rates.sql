{#-
    The columns of a chargeback rate, from its two sides in one relation. Where a side is missing it
    is zero; a rate without volume is null. Bounds are Wilson's at 95 %, which hold where the base is
    small; `is_proportion` says whether every disputed transaction is in the base.
-#}
{%- macro chargeback_rates(is_proportion) -%}
    transaction_volume_minor,
        dispute_value_minor,
        {{ share('dispute_value_minor', 'transaction_volume_minor') }} as chargeback_rate_by_value,
        settled_transaction_count,
        disputed_transaction_count,
        cast(
            {{ share('disputed_transaction_count', 'settled_transaction_count') }} as decimal(18, 6)
        ) as chargeback_rate_by_count,
        dispute_count,
        other_currency_dispute_count,
        case
            when {{ is_proportion }}
                then {{ wilson_bound('disputed_transaction_count', 'settled_transaction_count', '-') }}
        end as chargeback_rate_by_count_lower,
        case
            when {{ is_proportion }}
                then {{ wilson_bound('disputed_transaction_count', 'settled_transaction_count', '+') }}
        end as chargeback_rate_by_count_upper,
        settled_transaction_count < {{ var('small_base_count') }} as is_base_small
{%- endmacro -%}

{#- The lower ('-') or upper ('+') bound of Wilson's 95 % interval of a proportion. -#}
{%- macro wilson_bound(part, whole, sign) -%}
    cast(
            ({{ part }} + 1.920729 {{ sign }} 1.959964 * sqrt(
                cast({{ part }} as double) * ({{ whole }} - {{ part }}) / nullif({{ whole }}, 0)
                + 0.960365
            )) / ({{ whole }} + 3.841459) as decimal(18, 6)
        )
{%- endmacro -%}
