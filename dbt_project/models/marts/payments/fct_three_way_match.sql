{{
    config(
        materialized='incremental',
        incremental_strategy='whole_keys',
        unique_key='match_key',
        on_schema_change='fail',
        meta={'published_by_month_of': 'coalesce(authorized_on, paid_on, disputed_on)'},
    )
}}
{%- set is_in_log -%}
coalesce(
            matches.authorized_on is not null
            or matches.paid_on between log_dates.log_begins_on and dates.log_ends_on,
            false
        )
{%- endset %}
-- noqa: disable=LT02,LT05,LT14,RF02,RF03,ST03,ST05
with

authorizations as {{ read_anew() }} (
    select * from {{ ref('int_authorizations_resolved') }}
),

settlements as {{ read_anew() }} (
    select * from {{ ref('int_transactions_settled') }}
),

disputes as {{ read_anew() }} (
    select * from {{ ref('int_transactions_disputed') }}
),

dates as (
    select * from {{ ref('int_match_dates') }}
),

log_dates as (
    select
        program,
        min(authorized_on) as log_begins_on
    from authorizations
    group by program
),

{% if is_update() %}
-- Disputes are few and have no memory, so they are compared with what this model has of them.
touched as (
    select match_key from authorizations where {{ changed_since_built() }}
    union
    select match_key from settlements where {{ changed_since_built() }}
    union
    select match_key
    from disputes
    full outer join (select * from {{ this }} where dispute_count > 0) as matches using (match_key)
    where
        disputes.dispute_count is distinct from matches.dispute_count
        or disputes.disputed_on is distinct from matches.disputed_on
    union
    -- As the log grows, it comes to be where an authorization is to be found.
    select matches.match_key
    from {{ this }} as matches
    cross join dates
    left join log_dates using (program)
    where matches.is_in_log != {{ is_in_log }}
),
{% endif %}
{% for side in ('authorizations', 'settlements', 'disputes') %}
wanted_{{ side }} as (
    select * from {{ side }}
    where
        program is not null
        {% if is_update() %}
            and match_key in (select touched.match_key from touched)
        {% endif %}
),
{% endfor %}
matches as (
    select
        match_key,
        coalesce(authorizations.program, settlements.program, disputes.program) as program,
        coalesce(
            authorizations.transaction_id, settlements.transaction_id, disputes.transaction_id
        ) as transaction_id,
        authorizations.state as authorization_state,
        authorizations.user_id as authorized_user_id,
        authorizations.currency as authorized_currency,
        authorizations.captured_minor,
        authorizations.refunded_minor,
        authorizations.held_minor,
        authorizations.authorized_on,
        authorizations.captured_on,
        settlements.order_id,
        settlements.user_id as settled_user_id,
        settlements.currency as settled_currency,
        settlements.amount_minor as settled_minor,
        coalesce(settlements.settlement_count, 0) as settlement_count,
        settlements.settled_before_as,
        cast(settlements.created_at as date) as paid_on,
        settlements.settled_on,
        coalesce(disputes.dispute_count, 0) as dispute_count,
        disputes.disputed_on
    from wanted_authorizations as authorizations
    full outer join wanted_settlements as settlements using (match_key)
    full outer join wanted_disputes as disputes using (match_key)
),

found as (
    select
        matches.*,
        {{ days_between('matches.captured_on', 'matches.settled_on') }} as days_to_settlement,
        -- Before a program's log begins, and after the last exported date, there is no
        -- authorization to find.
        {{ is_in_log }} as is_in_log
    from matches
    cross join dates
    left join log_dates using (program)
),

final as (
    select
        {{ 'touched.match_key' if is_update() else 'found.match_key' }},
        found.{{ all_columns_but('match_key') }}
    {% if is_update() %}
    from touched
    left join found on touched.match_key = found.match_key
    {% else %}
    from found
    {% endif %}
)

select
    match_key,
    program,
    transaction_id,
    authorization_state,
    authorized_user_id,
    authorized_currency,
    captured_minor,
    refunded_minor,
    held_minor,
    authorized_on,
    captured_on,
    order_id,
    settled_user_id,
    settled_currency,
    settled_minor,
    settlement_count,
    settled_before_as,
    paid_on,
    settled_on,
    dispute_count,
    disputed_on,
    days_to_settlement,
    is_in_log
from final
