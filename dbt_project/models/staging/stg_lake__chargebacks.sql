{{ config(meta={'lake_tables': ['chargebacks']}) }}

with

source as (
    select * from {{ source('lake', 'chargebacks') }}
),

methods as (
    select
        spelling,
        name
    from {{ ref('payment_names') }}
    where subject = 'payment_method'
),

named as (
    select
        source.*,
        methods.name as method_name
    from source
    left join methods on methods.spelling = {{ normalized_text('source.payment_method') }}
),

final as (
    select
        intake_id || '/' || row_number as chargeback_version_key,
        program || '/' || network || '/' || case_number as dispute_key,
        program,
        batch_id,
        case_number,
        stage,
        {{ stage_rank('stage') }} as stage_rank,
        action_sequence,
        network,
        network_source,
        transaction_id,
        arn,
        merchant_id,
        merchant_name,
        dispute_amount_minor,
        dispute_currency,
        dispute_date,
        activity_date,
        happened_at,
        {{ is_ended('stage', 'status') }} as is_ended,
        coalesce(
            activity_date,
            {% call utc_midnight() %}
                coalesce(
                    case when {{ is_ended('stage', 'status') }} then resolution_date end,
                    dispute_date
                )
            {% endcall %}
        ) as stated_at,
        reason_code,
        reason_category,
        status,
        reply_by_date,
        -- Older files have the feed's date alone.
        coalesce(
            reply_by_on,
            case when not {{ is_ended('stage', 'status') }} then reply_by_date end
        ) as reply_by_on,
        coalesce(
            clock,
            case
                when
                    not {{ is_ended('stage', 'status') }} and reply_by_date is not null
                    then 'feed'
            end
        ) as clock,
        coalesce(clock_from, dispute_date) as clock_from,
        -- Older files have the days where they were counted.
        coalesce(
            response_days,
            case
                when clock in ('processor', 'published')
                    then {{ days_between('clock_from', 'reply_by_on') }}
            end
        ) as response_days,
        coalesce(
            response_days_source,
            case when clock in ('processor', 'published') then clock end
        ) as response_days_source,
        resolution_date,
        coalesce(method_name, {{ normalized_text('payment_method') }}) as payment_method,
        intake_id,
        source_file,
        row_number,
        flags,
        business_date
    from named
)

select * from final
