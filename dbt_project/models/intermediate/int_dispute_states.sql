{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='dispute_key',
        on_schema_change='fail',
        meta={'lake_tables': ['chargebacks']},
    )
}}
{%- set touched = touched_dates('chargebacks') -%}
{%- set touched_keys -%}
    select dispute_key from {{ ref('stg_lake__chargebacks') }} where {{ is_on(touched.present) }}
    union
    select dispute_key from {{ this }} where {{ may_have_versions_on(touched.known) }}
{%- endset %}
-- noqa: disable=LT02,LT05,LT14,RF02,RF03,ST03,ST05
with

{% if touched is not none %}
touched as (
    {{ touched_keys }}
),
{% endif %}

versions as (
    select * from {{ ref('stg_lake__chargebacks') }}
    {% if touched is not none %}
        where
            {{ is_on(dates_to_read('chargebacks', touched, touched_keys)) }}
            and dispute_key in (select touched.dispute_key from touched)
    {% endif %}
),

-- On each date on which something of a dispute arrived: all that had arrived until then.
arrivals as (
    select
        dispute_key,
        business_date as known_on,
        min(business_date) over (partition by dispute_key) as first_arrived_on,
        max(business_date) over (partition by dispute_key) as last_arrived_on
    from versions
    group by dispute_key, business_date
),

known as (
    select
        arrivals.known_on,
        versions.*
    from arrivals
    inner join versions
        on
            arrivals.dispute_key = versions.dispute_key
            and arrivals.known_on >= versions.business_date
),

-- Rows of older files do not say when their step happened: after all that arrived before them.
dated as (
    select
        *,
        coalesce(
            happened_at,
            activity_date,
            max(stated_at) over (
                partition by dispute_key, known_on
                order by intake_id, row_number
                rows between unbounded preceding and current row
            )
        ) as placed_at
    from known
),

steps as (
    select
        *,
        row_number() over (
            partition by dispute_key, known_on
            order by placed_at desc, intake_id desc, row_number desc
        ) as recency,
        lag(is_ended, 1, false) over (
            partition by dispute_key, known_on
            order by placed_at, intake_id, row_number
        ) as was_ended,
        -- Where a clock starts: at another stage than before, or after an end.
        coalesce(
            stage != lag(stage) over (
                partition by dispute_key, known_on
                order by placed_at, intake_id, row_number
            ),
            true
        ) as is_at_new_stage
    from dated
),

-- A step's clock is that of the steps before it, whichever of them were reported later.
opened as (
    select
        *,
        sum(case when is_at_new_stage or was_ended then 1 else 0 end) over (
            partition by dispute_key, known_on
            order by placed_at, intake_id, row_number
        ) as opening_place
    from steps
),

clocked as (
    select
        *,
        first_value(
            case
                when opening_place = 1 then dispute_date
                when activity_date is not null then cast(activity_date as date)
                else greatest(clock_from, cast(placed_at as date))
            end
        ) over (
            partition by dispute_key, known_on, opening_place
            order by placed_at, intake_id, row_number
        ) as runs_from,
        count(reply_by_date) over (
            partition by dispute_key, known_on, opening_place
            order by placed_at, intake_id, row_number
        ) as feed_dates_so_far
    from opened
),

fed as (
    select
        *,
        max(reply_by_date) over (
            partition by dispute_key, known_on, opening_place, feed_dates_so_far
        ) as fed_on
    from clocked
),

-- A deflected dispute never became a chargeback; one that is only known ended was no inquiry.
histories as (
    select
        dispute_key,
        known_on,
        count(*) as version_count,
        min(dispute_date) as opened_on,
        min(business_date) as received_on,
        coalesce(bool_or(stage_rank between 2 and 5 and coalesce(status, '') != 'prevented'), false)
        or (max(stage_rank) = 6 and min(stage_rank) = 6) as has_reached_chargeback,
        count(*) filter (where was_ended and not is_ended) as reopened_count,
        max(resolution_date) as resolved_on
    from steps
    group by dispute_key, known_on
),

openings as (
    select
        dispute_key,
        known_on,
        stage,
        count(*) filter (where is_at_new_stage or was_ended) as opening_number
    from steps
    group by dispute_key, known_on, stage
),

states as (
    select
        steps.dispute_key,
        steps.known_on,
        steps.program,
        steps.network,
        steps.case_number,
        steps.transaction_id,
        steps.stage,
        steps.status,
        steps.batch_id,
        steps.merchant_id,
        steps.dispute_amount_minor,
        steps.dispute_currency,
        steps.reason_code,
        steps.reason_category,
        steps.reply_by_date,
        case
            when steps.is_ended then null
            when steps.fed_on is not null then steps.fed_on
            when steps.response_days_source is null then steps.reply_by_on
            else {{ days_after('steps.runs_from', 'steps.response_days') }}
        end as reply_by_on,
        case
            when steps.is_ended then null
            when steps.fed_on is not null then 'feed'
            when steps.response_days_source is null then steps.clock
            when steps.response_days_source != 'nobody' then steps.response_days_source
        end as clock,
        steps.payment_method,
        steps.business_date,
        histories.version_count,
        histories.opened_on,
        histories.received_on,
        histories.has_reached_chargeback,
        histories.reopened_count,
        openings.opening_number,
        case
            when steps.is_ended or histories.reopened_count = 0 then histories.resolved_on
        end as resolved_on
    from fed as steps
    inner join histories using (dispute_key, known_on)
    inner join openings using (dispute_key, known_on, stage)
    where steps.recency = 1
),

final as (
    select
        {{ 'touched.dispute_key' if touched is not none else 'states.dispute_key' }},
        states.{{ all_columns_but('dispute_key') }},
        arrivals.first_arrived_on,
        arrivals.last_arrived_on,
        coalesce(states.known_on = arrivals.last_arrived_on, false) as is_current,
        {{ build_number() }} as changed_in_build
    {% if touched is not none %}
    from touched
    left join states on touched.dispute_key = states.dispute_key
    {% else %}
    from states
    {% endif %}
    left join arrivals
        on
            states.dispute_key = arrivals.dispute_key
            and states.known_on = arrivals.known_on
)

select * from final
