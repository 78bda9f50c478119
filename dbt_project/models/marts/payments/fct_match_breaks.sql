{%- set settlement_due_days = var('match_settlement_due_days') %}
{%- set dispute_due_days = var('match_dispute_due_days') %}
with

matches as (
    select
        three_way.*,
        dates.log_ends_on,
        dates.as_of_on,
        three_way.settled_on is not null as is_settled,
        coalesce(three_way.authorization_state, 'missing') as state
    from {{ ref('fct_three_way_match') }} as three_way
    cross join {{ ref('int_match_dates') }} as dates
),

found as (
    select
        *,
        {% call list_without_nulls() %}
            case
                when
                    state = 'captured'
                    and not is_settled
                    and refunded_minor < captured_minor
                    and {{ days_between('captured_on', 'as_of_on') }} > {{ settlement_due_days }}
                    then 'authorized_never_settled'
            end,
            case
                when is_settled and state in ('missing', 'rejected') and is_in_log
                    then 'settled_never_authorized'
            end,
            case
                -- A hold may be captured later on the date of its settlement.
                when
                    is_settled
                    and (state = 'released' or (state = 'held' and log_ends_on > settled_on))
                    then 'settled_without_capture'
            end,
            case
                when
                    state = 'captured'
                    and settled_currency = authorized_currency
                    and settled_minor != captured_minor
                    then 'amount_differs'
            end,
            case
                when state = 'captured' and settled_currency != authorized_currency
                    then 'currency_differs'
            end,
            case
                when state = 'captured' and settled_user_id != authorized_user_id
                    then 'user_differs'
            end,
            case
                when settlement_count > 1 or settled_before_as is not null
                    then 'settled_twice'
            end,
            case
                when days_to_settlement > {{ settlement_due_days }}
                    then 'settled_late'
            end,
            case
                when
                    dispute_count > 0
                    and not is_settled
                    and {{ days_between('disputed_on', 'as_of_on') }} > {{ dispute_due_days }}
                    then 'disputed_never_settled'
            end
        {% endcall %} as kinds
    from matches
),

listed as (
    select
        {{ all_columns_but('kinds') }},
        {{ rows_of_list('kinds') }} as kind
    from found
),

dated as (
    select
        *,
        case kind
            when 'authorized_never_settled' then captured_on
            when 'disputed_never_settled' then disputed_on
            else settled_on
        end as since_on
    from listed
),

final as (
    select
        match_key || '/' || kind as match_break_key,
        match_key,
        program,
        transaction_id,
        kind,
        since_on,
        {{ days_between('since_on', 'as_of_on') }} as age_days,
        case
            when {{ days_between('since_on', 'as_of_on') }} <= 7 then '0 to 7'
            when {{ days_between('since_on', 'as_of_on') }} <= 30 then '8 to 30'
            when {{ days_between('since_on', 'as_of_on') }} <= 90 then '31 to 90'
            else 'over 90'
        end as age_band,
        authorized_currency,
        captured_minor,
        settled_currency,
        settled_minor,
        as_of_on
    from dated
)

select * from final
