{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='match_key',
        on_schema_change='fail',
        meta={'lake_tables': ['transaction_log']},
    )
}}
{%- set touched = touched_dates('transaction_log') -%}
{%- set match_key -%} program || '/' || transaction_id {%- endset -%}
{#- What disputes give back names the transaction too, and is no authorization of it. -#}
{%- set is_of_an_authorization -%}
transaction_id is not null
        and kind not in ('provisional_credit', 'credit_made_final', 'credit_taken_back')
{%- endset -%}
{%- set touched_keys -%}
    select {{ match_key }} as match_key from {{ ref('stg_lake__log_entries') }}
    where {{ is_on(touched.present) }} and {{ is_of_an_authorization }}
    union
    select match_key from {{ this }} where {{ may_have_versions_on(touched.known) }}
{%- endset %}
-- noqa: disable=LT02,LT05,LT14,RF02,RF03,ST03,ST05
with

{% if touched is not none %}
touched as (
    {{ touched_keys }}
),
{% endif %}

log_entries as {{ read_anew() if touched is none }} (
    select
        *,
        {{ match_key }} as match_key
    from {{ ref('stg_lake__log_entries') }}
    where
        {{ is_of_an_authorization }}
        {% if touched is not none %}
            and {{ is_on(dates_to_read('transaction_log', touched, touched_keys)) }}
            and {{ match_key }} in (select touched.match_key from touched)
        {% endif %}
),

-- Most authorizations have one entry, which needs no adding up.
repeated as (
    select hash(match_key) as key_hash
    from log_entries
    group by hash(match_key)
    having count(*) > 1
),

summed as (
    select
        match_key,
        any_value(program) as program,
        any_value(transaction_id) as transaction_id,
        any_value(user_id) filter (where kind = 'decision') as user_id,
        any_value(currency) filter (where kind = 'decision') as currency,
        coalesce(bool_or(status = 'PERMIT') filter (where kind = 'decision'), false)
            as is_permitted,
        min(business_date) as authorized_on,
        max(business_date) filter (where kind in ('decision', 'capture') and posted_minor < 0)
            as captured_on,
        cast(
            -coalesce(sum(posted_minor) filter (where kind in ('decision', 'capture')), 0)
            as bigint
        ) as captured_minor,
        cast(coalesce(sum(posted_minor) filter (where kind = 'refund'), 0) as bigint)
            as refunded_minor,
        cast(sum(held_change_minor) as bigint) as held_minor,
        max(business_date) as last_arrived_on
    from log_entries
    where hash(match_key) in (select repeated.key_hash from repeated)
    group by match_key
),

once as (
    select
        match_key,
        program,
        transaction_id,
        case when kind = 'decision' then user_id end as user_id,
        case when kind = 'decision' then currency end as currency,
        kind = 'decision' and coalesce(status, '') = 'PERMIT' as is_permitted,
        business_date as authorized_on,
        case when kind in ('decision', 'capture') and posted_minor < 0 then business_date end
            as captured_on,
        case when kind in ('decision', 'capture') then -posted_minor else 0 end as captured_minor,
        case when kind = 'refund' then posted_minor else 0 end as refunded_minor,
        held_change_minor as held_minor,
        business_date as last_arrived_on
    from log_entries
    where hash(match_key) not in (select repeated.key_hash from repeated)
),

authorizations as (
    select * from summed
    union all
    select * from once
),

final as (
    select
        {{ 'touched.match_key' if touched is not none else 'authorizations.match_key' }},
        authorizations.program,
        authorizations.transaction_id,
        authorizations.user_id,
        authorizations.currency,
        case
            when not authorizations.is_permitted then 'rejected'
            when authorizations.captured_minor > 0 then 'captured'
            when authorizations.held_minor > 0 then 'held'
            when authorizations.is_permitted then 'released'
        end as state,
        authorizations.authorized_on,
        authorizations.captured_on,
        authorizations.captured_minor,
        authorizations.refunded_minor,
        authorizations.held_minor,
        authorizations.authorized_on as first_arrived_on,
        authorizations.last_arrived_on,
        {{ build_number() }} as changed_in_build
    {% if touched is not none %}
    from touched
    left join authorizations on touched.match_key = authorizations.match_key
    {% else %}
    from authorizations
    {% endif %}
)

select * from final
