{%- set keys = ['program', 'merchant_id', 'programme', 'month'] -%}
{%- set first_day = var('monitoring_first_forecast_day') -%}
with

programmes as (
    select distinct
        programme,
        network,
        subject,
        sales_month,
        counts_fraud_reports
    from {{ ref('monitoring_tiers') }}
),

cases as (
    select * from {{ ref('int_monitored_cases') }}
),

sales as (
    select * from {{ ref('int_monitored_sales') }}
),

reports as (
    select * from {{ ref('stg_lake__fraud_reports') }}
),

-- The last day of which anything is known.
known as (
    select max(days.business_date) as as_of_on
    from (
        select max(business_date) as business_date from {{ ref('stg_lake__balances') }}
        union all
        select max(as_of_on) as business_date from {{ ref('fct_disputes') }}
        union all
        select max(business_date) as business_date from reports
        union all
        select max(last_business_date) as business_date from sales
    ) as days
),

-- An acquirer's limits are for all its merchants; of those, Cardops knows the program's.
bases as (
    select
        sales.program,
        case programmes.subject when 'acquirer' then '*' else sales.merchant_id end as merchant_id,
        programmes.programme,
        case programmes.sales_month
            when 'prior' then {{ next_month_of('sales.month') }}
            else sales.month
        end as month,
        sum(case when sales.network = programmes.network then sales.settled_count else 0 end)
            as settled_count,
        sum(case when sales.network = programmes.network then sales.card_present_count else 0 end)
            as card_present_count,
        sum(
            case when sales.network = programmes.network then sales.channel_unknown_count else 0 end
        ) as channel_unknown_count,
        sum(case when sales.network = 'unknown' then sales.settled_count else 0 end)
            as network_unknown_count
    from sales
    inner join programmes on sales.network in (programmes.network, 'unknown')
    group by 1, 2, 3, 4
),

counted as (
    select
        cases.program,
        case programmes.subject when 'acquirer' then '*' else cases.merchant_id end as merchant_id,
        cases.programme,
        cases.month,
        sum(
            case
                when cases.case_kind = 'dispute' and cases.excluded_because is null then 1 else 0
            end
        ) as dispute_count,
        sum(
            case
                when
                    cases.case_kind = 'dispute'
                    and cases.is_fraud
                    and cases.excluded_because is null
                    then 1
                else 0
            end
        ) as fraud_dispute_count,
        sum(
            case
                when cases.case_kind = 'fraud_report' and cases.excluded_because is null
                    then 1
                else 0
            end
        ) as fraud_report_count,
        sum(
            case
                when cases.case_kind = 'dispute' and cases.excluded_because is not null
                    then 1
                else 0
            end
        ) as excluded_dispute_count,
        sum(
            case
                when cases.case_kind = 'fraud_report' and cases.excluded_because is not null
                    then 1
                else 0
            end
        ) as excluded_fraud_report_count,
        {{ exact_sum(
            "case when cases.currency = 'USD' and cases.excluded_because is null"
            ~ " then abs(cases.amount_minor) else 0 end"
        ) }} as value_usd_minor,
        sum(
            case
                when cases.currency != 'USD' and cases.excluded_because is null then 1 else 0
            end
        ) as other_currency_case_count
    from cases
    inner join programmes on cases.programme = programmes.programme
    group by 1, 2, 3, 4
),

-- Months of which any report was received, whoever its merchant is.
fed as (
    select
        program,
        network,
        {{ month_of('reported_on') }} as month
    from reports
    union
    select
        program,
        network,
        {{ month_of('business_date') }} as month
    from reports
),

figures as (
    select
        {{ keys | join(',\n        ') }},
        coalesce(counted.dispute_count, 0) as dispute_count,
        coalesce(counted.fraud_dispute_count, 0) as fraud_dispute_count,
        coalesce(counted.fraud_report_count, 0) as fraud_report_count,
        coalesce(counted.excluded_dispute_count, 0) as excluded_dispute_count,
        coalesce(counted.excluded_fraud_report_count, 0) as excluded_fraud_report_count,
        coalesce(counted.dispute_count, 0) + coalesce(counted.fraud_report_count, 0) as case_count,
        coalesce(counted.value_usd_minor, 0) as value_usd_minor,
        coalesce(counted.other_currency_case_count, 0) as other_currency_case_count,
        coalesce(bases.settled_count, 0) as settled_count,
        coalesce(bases.card_present_count, 0) as card_present_count,
        coalesce(bases.channel_unknown_count, 0) as channel_unknown_count,
        coalesce(bases.network_unknown_count, 0) as network_unknown_count
    from bases
    full outer join counted using ({{ keys | join(', ') }})
),

-- The region that a merchant's row says, else its program's, else the default.
placed as (
    select
        figures.*,
        programmes.network,
        programmes.subject,
        programmes.sales_month,
        programmes.counts_fraud_reports,
        known.as_of_on,
        coalesce(own.region, of_program.region, of_all.region) as region,
        case
            when own.region is not null then 'merchant'
            when of_program.region is not null then 'program'
            else 'default'
        end as region_source,
        fed.month is not null as is_fed,
        figures.settled_count
        - case programmes.network when 'visa' then figures.card_present_count else 0 end
            as sales_count
    from figures
    cross join known
    inner join programmes on figures.programme = programmes.programme
    left join {{ ref('monitoring_regions') }} as own
        on figures.program = own.program and figures.merchant_id = own.merchant_id
    left join {{ ref('monitoring_regions') }} as of_program
        on figures.program = of_program.program and of_program.merchant_id is null
    left join {{ ref('monitoring_regions') }} as of_all
        on of_all.program is null and of_all.merchant_id is null
    left join fed
        on
            figures.program = fed.program
            and programmes.network = fed.network
            and figures.month = fed.month
    where
        figures.month <= {{ month_of('known.as_of_on') }}
        and figures.settled_count
        + figures.case_count
        + figures.excluded_dispute_count
        + figures.excluded_fraud_report_count
        > 0
),

timed as (
    select
        *,
        month = {{ month_of('as_of_on') }} as is_current,
        case
            when month = {{ month_of('as_of_on') }} then extract(day from as_of_on)
            else extract(day from {{ last_day_of('month') }})
        end as elapsed_days,
        extract(day from {{ last_day_of('month') }}) as month_days
    from placed
),

-- Linear by days: what came so far, over the days that are over, times the days of the month.
forecast as (
    select
        *,
        case
            when elapsed_days >= {{ first_day }}
                then {{ month_end_forecast('case_count') }}
        end as forecast_case_count,
        case
            when elapsed_days < {{ first_day }} then null
            when sales_month = 'prior' then sales_count
            else {{ month_end_forecast('sales_count') }}
        end as forecast_sales_count,
        case
            when elapsed_days >= {{ first_day }}
                then {{ whole_quotient('value_usd_minor * month_days', 'elapsed_days') }}
        end as forecast_value_usd_minor
    from timed
),

-- The tiers in force in the month, two at most, and whether number and ratio of each are reached.
tiers as (
    select
        forecast.program,
        forecast.merchant_id,
        forecast.programme,
        forecast.month,
        tiers.tier,
        tiers.tier_rank,
        tiers.ratio_bps,
        tiers.cases,
        tiers.exit_months,
        greatest(
            tiers.cases,
            {{ whole_quotient('tiers.ratio_bps * forecast.sales_count + 9999', '10000') }}
        ) as needed_count,
        forecast.sales_count > 0
        and forecast.case_count >= tiers.cases
        and forecast.case_count * 10000 >= tiers.ratio_bps * forecast.sales_count
        and (tiers.value_usd_minor is null or forecast.value_usd_minor > tiers.value_usd_minor)
            as is_reached,
        coalesce(
            forecast.forecast_sales_count > 0
            and forecast.forecast_case_count >= tiers.cases
            and forecast.forecast_case_count * 10000
            >= tiers.ratio_bps * forecast.forecast_sales_count
            and (
                tiers.value_usd_minor is null
                or forecast.forecast_value_usd_minor > tiers.value_usd_minor
            ),
            false
        ) as is_forecast,
        row_number() over (
            partition by
                forecast.program, forecast.merchant_id, forecast.programme, forecast.month
            order by tiers.tier_rank
        ) as place
    from forecast
    inner join {{ ref('monitoring_tiers') }} as tiers
        on
            forecast.programme = tiers.programme
            and coalesce(tiers.region, forecast.region) = forecast.region
            and coalesce(tiers.valid_from, forecast.month) <= forecast.month
            and coalesce(tiers.valid_to, forecast.month) >= forecast.month
),

lines as (
    select
        {{ keys | join(',\n        ') }},
        max(case when place = 1 then tier end) as line_tier,
        max(case when place = 1 then ratio_bps end) as line_ratio_bps,
        max(case when place = 1 then cases end) as line_case_count,
        max(case when place = 1 then needed_count end) as needed_count,
        max(case when place = 1 then exit_months end) as exit_month_count,
        max(case when place = 2 then tier end) as next_tier,
        max(case when place = 2 then ratio_bps end) as next_ratio_bps,
        max(case when place = 2 then cases end) as next_case_count,
        coalesce(
            max(case when place = 2 and is_reached then tier end),
            max(case when place = 1 and is_reached then tier end)
        ) as tier_reached,
        coalesce(
            max(case when place = 2 and is_forecast then tier end),
            max(case when place = 1 and is_forecast then tier end)
        ) as forecast_tier
    from tiers
    group by {{ keys | join(', ') }}
),

named as (
    select
        forecast.*,
        lines.line_tier,
        lines.line_ratio_bps,
        lines.line_case_count,
        lines.next_tier,
        lines.next_ratio_bps,
        lines.next_case_count,
        lines.needed_count,
        lines.exit_month_count,
        lines.tier_reached,
        lines.forecast_tier,
        case
            when forecast.subject = 'acquirer' or not forecast.is_current then null
            when lines.tier_reached is not null then 'reached'
            when lines.forecast_tier is not null then 'forecast'
            when
                forecast.sales_count > 0
                and forecast.elapsed_days >= {{ first_day }}
                and forecast.case_count * 100
                >= {{ var('monitoring_alarm_percent') }} * lines.needed_count
                then 'near'
        end as alarm_level,
        nullif(
            concat_ws(
                ',',
                case
                    when forecast.counts_fraud_reports = 'yes' and not forecast.is_fed
                        then 'fraud_reports'
                end,
                case when forecast.sales_count = 0 then 'sales' end,
                case when forecast.network_unknown_count > 0 then 'networks_of_sales' end,
                case when forecast.region_source = 'default' then 'region' end,
                case
                    when forecast.region = 'mena' and forecast.other_currency_case_count > 0
                        then 'value_in_usd'
                end,
                case when lines.line_tier is null then 'limits' end
            ),
            ''
        ) as missing_inputs
    from forecast
    left join lines using ({{ keys | join(', ') }})
),

followed as (
    select
        *,
        max(case when tier_reached is not null then month end) over (
            partition by program, merchant_id, programme
            order by month
            rows between unbounded preceding and current row
        ) as reached_month
    from named
),

-- A month counts as below the line once it is over; one without a row had no sale and no case.
below as (
    select
        *,
        greatest(
            0,
            {{ months_between('reached_month', 'month') }}
            - case when elapsed_days < month_days then 1 else 0 end
        ) as months_below_count
    from followed
),

final as (
    select
        concat_ws('/', program, merchant_id, programme, month) as monitoring_key,
        program,
        merchant_id,
        programme,
        month,
        network,
        subject,
        region,
        region_source,
        cast(dispute_count as bigint) as dispute_count,
        cast(fraud_dispute_count as bigint) as fraud_dispute_count,
        cast(fraud_report_count as bigint) as fraud_report_count,
        cast(excluded_dispute_count as bigint) as excluded_dispute_count,
        cast(excluded_fraud_report_count as bigint) as excluded_fraud_report_count,
        cast(case_count as bigint) as case_count,
        cast(sales_count as bigint) as sales_count,
        cast(channel_unknown_count as bigint) as channel_unknown_count,
        cast(network_unknown_count as bigint) as network_unknown_count,
        cast(value_usd_minor as decimal(38, 0)) as value_usd_minor,
        cast(other_currency_case_count as bigint) as other_currency_case_count,
        cast({{ share('case_count', 'sales_count') }} as decimal(18, 6)) as ratio,
        line_tier,
        line_ratio_bps,
        line_case_count,
        next_tier,
        next_ratio_bps,
        next_case_count,
        tier_reached,
        cast(
            cast(line_ratio_bps as decimal(18, 6)) / 10000
            - {{ share('case_count', 'sales_count') }} as decimal(18, 6)
        ) as ratio_to_line,
        case when sales_count > 0 then cast(needed_count - case_count as bigint) end
            as cases_to_line,
        as_of_on,
        cast(elapsed_days as integer) as elapsed_days,
        cast(month_days as integer) as month_days,
        case
            when elapsed_days = month_days then 'complete'
            when elapsed_days >= {{ first_day }} then 'linear_by_days'
            else 'too_early'
        end as forecast_basis,
        cast(forecast_case_count as bigint) as forecast_case_count,
        cast(forecast_sales_count as bigint) as forecast_sales_count,
        cast({{ share('forecast_case_count', 'forecast_sales_count') }} as decimal(18, 6))
            as forecast_ratio,
        forecast_tier,
        alarm_level,
        alarm_level is not null as is_alarm,
        missing_inputs,
        counts_fraud_reports = 'yes' and not is_fed as is_lower_bound,
        exit_month_count,
        case when reached_month is not null then cast(months_below_count as integer) end
            as months_below_count,
        case
            when exit_month_count is not null
                then reached_month is not null and months_below_count < exit_month_count
        end as is_in_programme
    from below
)

select * from final
