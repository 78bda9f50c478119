with

steps as (
    select * from {{ ref('stg_lake__chargebacks') }}
),

-- What is found when a batch is filed is kept beside its rows, which stay as they were judged.
filed as (
    select
        steps.dispute_key,
        supplements.flags
    from {{ ref('stg_lake__chargeback_supplements') }} as supplements
    inner join steps using (intake_id, row_number)
    where {{ list_size('supplements.flags') }} > 0
),

flagged as (
    select
        dispute_key,
        {{ rows_of_list('flags') }} as flag
    from steps
    where {{ list_size('flags') }} > 0
    union all
    select
        dispute_key,
        {{ rows_of_list('flags') }} as flag
    from filed
),

final as (
    select
        dispute_key,
        {{ sorted_list('flag') }} as flags
    from flagged
    group by dispute_key
)

select * from final
