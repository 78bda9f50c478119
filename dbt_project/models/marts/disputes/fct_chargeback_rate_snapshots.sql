{%- set groups = 'attribution, program, month, payment_method, currency' -%}
{%- set figures = (
    'settled_transaction_count', 'transaction_volume_minor', 'disputed_transaction_count', 'dispute_count',
    'other_currency_dispute_count', 'dispute_value_minor'
) %}
-- noqa: disable=LT02,LT05
with

sales_changes as (
    select * from {{ ref('int_sales_changes') }}
),

-- Several disputes of a transaction are one disputed transaction. Few transactions have several.
several as (
    select
        program,
        transaction_id,
        true as has_several_disputes
    from {{ ref('int_disputed_sales') }}
    group by program, transaction_id
    having min(dispute_key) != max(dispute_key)
),

disputed_sales as (
    select
        disputed_sales.*,
        coalesce(several.has_several_disputes, false) as has_several_disputes
    from {{ ref('int_disputed_sales') }} as disputed_sales
    left join several using (program, transaction_id)
),

-- A dispute comes to be known on one date, and goes from the rates on another one.
dispute_changes as (
    select
        *,
        known_from_on as known_on,
        1 as sign
    from disputed_sales
    union all
    select
        *,
        replaced_on as known_on,
        -1 as sign
    from disputed_sales
    where replaced_on is not null
),

dispute_months as (
    select
        *,
        'sale_month' as attribution,
        sale_month as month
    from dispute_changes
    union all
    select
        *,
        'dispute_month' as attribution,
        dispute_month as month
    from dispute_changes
),

transaction_changes as (
    select
        {{ groups }},
        transaction_id,
        known_on,
        cast(sum(sign) as bigint) as dispute_count,
        cast(sum(case when dispute_value_minor is null then sign else 0 end) as bigint)
            as other_currency_dispute_count,
        cast({{ exact_sum('sign * coalesce(dispute_value_minor, 0)') }} as decimal(38, 0))
            as dispute_value_minor
    from dispute_months
    where has_several_disputes
    group by {{ groups }}, transaction_id, known_on
),

counted as (
    select
        *,
        sum(dispute_count) over (
            partition by {{ groups }}, transaction_id
            order by known_on
            rows between unbounded preceding and current row
        ) as known_disputes
    from transaction_changes
),

-- A transaction's only dispute is in the rates during spans of which none overlaps another.
disputed as (
    select
        {{ groups }},
        known_on,
        dispute_count,
        other_currency_dispute_count,
        dispute_value_minor,
        case when known_disputes > 0 then 1 else 0 end
        - case when known_disputes - dispute_count > 0 then 1 else 0 end as disputed_transaction_count
    from counted
    union all
    select
        {{ groups }},
        known_on,
        sign as dispute_count,
        case when dispute_value_minor is null then sign else 0 end as other_currency_dispute_count,
        sign * coalesce(dispute_value_minor, 0) as dispute_value_minor,
        sign as disputed_transaction_count
    from dispute_months
    where not has_several_disputes
),

-- Both sides on each date, for each way of setting disputes against sales.
attributed as (
    {%- for attribution, sales_month, disputes_by, dispute_month in (
        ('all_time', 'cast(null as date)', 'sale_month', 'cast(null as date)'),
        ('sale_month', 'month', 'sale_month', 'month'),
        ('dispute_month', 'month', 'dispute_month', 'month'),
        ('prior_month_sales', next_month_of('month'), 'dispute_month', 'month'),
    ) %}
    select
        '{{ attribution }}' as attribution,
        program,
        {{ sales_month }} as month,
        payment_method,
        currency,
        known_on,
        settled_transaction_count,
        transaction_volume_minor,
        0 as disputed_transaction_count,
        0 as dispute_count,
        0 as other_currency_dispute_count,
        0 as dispute_value_minor
    from sales_changes
    union all
    select
        '{{ attribution }}' as attribution,
        program,
        {{ dispute_month }} as month,
        payment_method,
        currency,
        known_on,
        0 as settled_transaction_count,
        0 as transaction_volume_minor,
        disputed_transaction_count,
        dispute_count,
        other_currency_dispute_count,
        dispute_value_minor
    from disputed
    where attribution = '{{ disputes_by }}'
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

changes as (
    select
        {{ groups }},
        known_on,
        {%- for figure in figures %}
        cast(sum({{ figure }}) as decimal(38, 0)) as {{ figure }}{{ ',' if not loop.last }}
        {%- endfor %}
    from attributed
    group by {{ groups }}, known_on
    having {% for figure in figures %}sum({{ figure }}) != 0{{ ' or ' if not loop.last }}{% endfor %}
),

-- The last month of which anything was known on each date: the one after it had not begun.
known_dates as (
    select distinct known_on from changes
),

month_changes as (
    select
        month,
        known_on,
        settled_transaction_count + dispute_count as known_count
    from changes
    where attribution = 'dispute_month'
),

known_months as (
    select
        known_dates.known_on,
        month_changes.month
    from known_dates
    inner join month_changes on known_dates.known_on >= month_changes.known_on
    group by known_dates.known_on, month_changes.month
    having sum(month_changes.known_count) > 0
),

last_months as (
    select
        known_dates.known_on,
        max(known_months.month) as last_month
    from known_dates
    left join known_months on known_dates.known_on = known_months.known_on
    group by known_dates.known_on
),

begun as (
    select
        known_on,
        last_month,
        lag(last_month) over (order by known_on) as former_last_month
    from last_months
),

-- A month's row appears on the date on which it is known to have begun, whatever changed on it.
beginnings as (
    select
        months.attribution,
        months.program,
        months.month,
        months.payment_method,
        months.currency,
        begun.known_on,
        {%- for figure in figures %}
        cast(0 as decimal(38, 0)) as {{ figure }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (select distinct {{ groups }} from changes) as months
    inner join begun
        on
            (months.month <= begun.last_month)
            != (months.month <= coalesce(begun.former_last_month, cast('0001-01-01' as date)))
    where months.attribution = 'prior_month_sales'
),

events as (
    select
        {{ groups }},
        known_on,
        {%- for figure in figures %}
        sum({{ figure }}) as {{ figure }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        select * from changes
        union all
        select * from beginnings
    ) as both_kinds
    group by {{ groups }}, known_on
),

known as (
    select
        {{ groups }},
        known_on,
        cast(
            lead(known_on) over (
                partition by {{ groups }}
                order by known_on
            ) - interval 1 day as date
        ) as valid_to_on,
        {%- for figure in figures %}
        cast(
            sum({{ figure }}) over (
                partition by {{ groups }}
                order by known_on
                rows between unbounded preceding and current row
            ) as {{ 'decimal(38, 0)' if figure.endswith('_minor') else 'bigint' }}
        ) as {{ figure }}{{ ',' if not loop.last }}
        {%- endfor %}
    from events
),

final as (
    select
        concat_ws(
            '/', known.attribution, known.program, known.month, known.payment_method, known.currency,
            known.known_on
        ) as chargeback_rate_snapshot_key,
        known.program,
        known.attribution,
        known.month,
        known.payment_method,
        known.currency,
        known.known_on as valid_from_on,
        known.valid_to_on,
        {{ chargeback_rates("attribution in ('all_time', 'sale_month')") }}
    from known
    left join last_months on known.known_on = last_months.known_on
    where
        (known.settled_transaction_count > 0 or known.dispute_count > 0)
        and (known.month is null or known.month <= last_months.last_month)
)

select * from final
