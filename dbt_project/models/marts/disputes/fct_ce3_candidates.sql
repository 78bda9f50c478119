with

-- Visa's Compelling Evidence 3.0 holds for this reason since that day.
disputes as (
    select * from {{ ref('fct_disputes') }}
    where
        network = 'visa'
        and reason_code = '{{ var("ce3_reason_code") }}'
        and opened_on >= cast('{{ var("ce3_since") }}' as date)
),

-- Each by its last state, and by what any version told last: a later one often says less.
sales as {{ read_anew() }} (
    select
        transaction_key,
        program,
        transaction_id,
        status,
        first_created_on as sold_on,
        coalesce(told_user_id, order_user_id) as user_id,
        told_merchant_id as merchant_id,
        told_card_token as card_token,
        told_card_bin as card_bin,
        told_card_last4 as card_last4,
        told_device_id as device_id,
        told_ip_address as ip_address,
        told_email as email
    from {{ ref('int_transaction_histories') }}
    where version_count is not null
),

disputed as (
    select
        disputes.dispute_key,
        disputes.opened_on,
        sales.*
    from disputes
    inner join sales
        on sales.transaction_key = disputes.program || '/' || disputes.transaction_id
),

-- Only sales to the cards of disputed ones at the same merchant count: few columns find them.
settled as {{ read_anew() }} (
    select * from sales
    where status in ('completed', 'refunded')
),

disputed_tokens as (
    select distinct
        program,
        merchant_id,
        card_token
    from disputed
),

disputed_digits as (
    select distinct
        program,
        merchant_id,
        card_bin,
        card_last4
    from disputed
),

same_cards as (
    select settled.transaction_key
    from settled
    inner join disputed_tokens using (program, merchant_id, card_token)
    union
    select settled.transaction_key
    from settled
    inner join disputed_digits using (program, merchant_id, card_bin, card_last4)
),

all_disputed as (
    select program || '/' || transaction_id as transaction_key
    from {{ ref('fct_disputes') }}
    where transaction_id is not null
),

priors as (
    select * from sales
    where
        transaction_key in (select same_cards.transaction_key from same_cards)
        and transaction_key not in (select all_disputed.transaction_key from all_disputed)
),

-- The same card: by the processor's token where both have one, else by its digits.
pairs as (
    select
        disputed.dispute_key,
        priors.transaction_key
    from disputed
    inner join priors using (program, merchant_id, card_token)
    union
    select
        disputed.dispute_key,
        priors.transaction_key
    from disputed
    inner join priors using (program, merchant_id, card_bin, card_last4)
    where disputed.card_token is null or priors.card_token is null
),

compared as (
    select
        disputed.dispute_key,
        priors.transaction_id,
        priors.sold_on,
        coalesce(priors.device_id = disputed.device_id, false) as shares_device_id,
        coalesce(priors.ip_address = disputed.ip_address, false) as shares_ip_address,
        -- An e-mail address stands for the account only where one of them names no user.
        case
            when priors.user_id is null or disputed.user_id is null
                then coalesce(priors.email = disputed.email, false)
            else lower(priors.user_id) = lower(disputed.user_id)
        end as shares_user_id
    from pairs
    inner join disputed on pairs.dispute_key = disputed.dispute_key
    inner join priors on pairs.transaction_key = priors.transaction_key
    where
        priors.transaction_key != disputed.transaction_key
        and {{ days_between('priors.sold_on', 'disputed.opened_on') }}
        between {{ var("ce3_youngest_days") }} and {{ var("ce3_oldest_days") }}
),

counts as (
    select
        dispute_key,
        count(*) as prior_sale_count
    from compared
    group by dispute_key
),

-- What suffices, the most first. No input file has shipping addresses, so none is shared.
element_sets (preference, elements, with_device_id, with_ip_address, with_user_id) as (
    values
    (1, 'device_id, ip_address, user_id', true, true, true),
    (2, 'device_id, ip_address', true, true, false),
    (3, 'device_id, user_id', true, false, true),
    (4, 'ip_address, user_id', false, true, true)
),

sharing as (
    select
        compared.dispute_key,
        compared.transaction_id,
        element_sets.preference,
        element_sets.elements,
        row_number() over (
            partition by compared.dispute_key, element_sets.preference
            order by compared.sold_on desc, compared.transaction_id asc
        ) as place
    from compared
    cross join element_sets
    where
        (compared.shares_device_id or not element_sets.with_device_id)
        and (compared.shares_ip_address or not element_sets.with_ip_address)
        and (compared.shares_user_id or not element_sets.with_user_id)
),

found as (
    select
        dispute_key,
        preference,
        elements,
        max(case when place = 1 then transaction_id end) as first_transaction_id,
        max(case when place = 2 then transaction_id end) as second_transaction_id
    from sharing
    group by dispute_key, preference, elements
    having count(*) >= {{ var("ce3_prior_transactions") }}
    qualify row_number() over (partition by dispute_key order by preference) = 1
),

facts as (
    select
        dispute_key,
        case
            when card_token is null and (card_bin is null or card_last4 is null) then 'card'
        end as no_card,
        case when merchant_id is null then 'merchant_id' end as no_merchant,
        case
            when device_id is null and ip_address is null then 'device_id or ip_address'
            when
                (device_id is null or ip_address is null) and user_id is null and email is null
                then 'second_element'
        end as no_element
    from disputed
),

final as (
    select
        disputes.dispute_key,
        disputes.program,
        disputes.case_number,
        disputes.transaction_id,
        disputes.is_open,
        disputes.opened_on,
        disputes.reply_by_on,
        disputes.days_left,
        disputes.dispute_amount_minor,
        disputes.dispute_currency,
        coalesce(counts.prior_sale_count, 0) as prior_sale_count,
        found.dispute_key is not null as is_candidate,
        found.elements as matched_elements,
        found.first_transaction_id,
        found.second_transaction_id,
        case
            when found.dispute_key is not null then null
            when facts.dispute_key is null then 'transaction'
            when coalesce(facts.no_card, facts.no_merchant, facts.no_element) is not null
                then concat_ws(', ', facts.no_card, facts.no_merchant, facts.no_element)
            when
                coalesce(counts.prior_sale_count, 0) < {{ var("ce3_prior_transactions") }}
                then 'prior_transactions'
            else 'shared_elements'
        end as missing,
        disputes.as_of_on
    from disputes
    left join facts on disputes.dispute_key = facts.dispute_key
    left join counts on disputes.dispute_key = counts.dispute_key
    left join found on disputes.dispute_key = found.dispute_key
)

select * from final
