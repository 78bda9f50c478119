{%- set keys = [
    'program', 'attribution', 'month', 'payment_method', 'network', 'provider', 'merchant_id',
    'currency'
] -%}
{%- set columns = 'payment_method, network, provider, merchant_id, currency' -%}
with

sales as (
    select * from {{ ref('int_sales_by_month') }}
),

disputed as (
    select * from {{ ref('int_disputes_by_month') }}
),

-- The sales that each attribution sets the disputes of a month against.
bases as (
    select
        'sale_month' as attribution,
        program,
        month,
        {{ columns }},
        settled_transaction_count,
        transaction_volume_minor
    from sales
    union all
    select
        'dispute_month' as attribution,
        program,
        month,
        {{ columns }},
        settled_transaction_count,
        transaction_volume_minor
    from sales
    union all
    select
        'prior_month_sales' as attribution,
        program,
        {{ next_month_of('month') }} as month,
        {{ columns }},
        settled_transaction_count,
        transaction_volume_minor
    from sales
),

attributions as (
    select 'sale_month' as attribution
    union all
    select 'dispute_month' as attribution
    union all
    select 'prior_month_sales' as attribution
),

attributed as (
    select
        attributions.attribution,
        disputed.program,
        case attributions.attribution
            when 'sale_month' then disputed.sale_month
            else disputed.dispute_month
        end as month,
        disputed.payment_method,
        disputed.network,
        disputed.provider,
        disputed.merchant_id,
        disputed.currency,
        disputed.transaction_id,
        disputed.dispute_count,
        disputed.other_currency_dispute_count,
        disputed.dispute_value_minor
    from disputed
    cross join attributions
),

numerators as (
    select
        {{ keys | join(', ') }},
        count(distinct transaction_id) as disputed_transaction_count,
        cast(sum(dispute_count) as bigint) as dispute_count,
        cast(sum(other_currency_dispute_count) as bigint) as other_currency_dispute_count,
        cast(sum(dispute_value_minor) as decimal(38, 0)) as dispute_value_minor
    from attributed
    group by {{ keys | join(', ') }}
),

-- The month after the last one of which anything is known has not begun.
known as (
    select max(months.month) as last_month
    from (
        select month from sales
        union all
        select dispute_month as month from disputed
    ) as months
),

joined as (
    select
        {{ keys | join(',\n        ') }},
        coalesce(bases.settled_transaction_count, 0) as settled_transaction_count,
        cast(coalesce(bases.transaction_volume_minor, 0) as decimal(38, 0))
            as transaction_volume_minor,
        coalesce(numerators.disputed_transaction_count, 0) as disputed_transaction_count,
        coalesce(numerators.dispute_count, 0) as dispute_count,
        coalesce(numerators.other_currency_dispute_count, 0) as other_currency_dispute_count,
        cast(coalesce(numerators.dispute_value_minor, 0) as decimal(38, 0)) as dispute_value_minor
    from bases
    full outer join numerators using ({{ keys | join(', ') }})
),

final as (
    select
        concat_ws('/', {{ keys | join(', ') }}) as chargeback_rate_key,
        {{ keys | join(',\n        ') }},
        {{ chargeback_rates("attribution = 'sale_month'") }}
    from joined
    cross join known
    where joined.month <= known.last_month
)

select * from final
