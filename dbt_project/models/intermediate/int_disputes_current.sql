{{ config(meta={'changes_with': 'int_dispute_states', 'key': 'dispute_key'}) }}

with

states as (
    select * from {{ ref('int_dispute_states') }}
    where is_current
),

final as (
    select {{ all_columns_but(
        'known_on, is_current, first_arrived_on, last_arrived_on, changed_in_build'
    ) }}
    from states
)

select * from final
