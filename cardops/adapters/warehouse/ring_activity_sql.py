"""The queries of ring_activity: sales of members by their last version, disputes by their last step."""

from typing import Final

_ENDS: Final = "('won', 'lost', 'accepted', 'expired')"
_IS_ENDED: Final = (
    f"coalesce(stage in {_ENDS} or status in {_ENDS} or status in ('prevented', 'resolved'), false)"
)
# The transactions of members; one that names no user has its order's.
SALES: Final = """
create temp table sales as
with

-- An order's user never changes, so any version of it will do.
order_users as (
    select program, order_id, min(user_id) as user_id
    from orders semi join members using (program, user_id)
    group by program, order_id
),

named as (
    select transactions.* replace (coalesce(transactions.user_id, order_users.user_id) as user_id)
    from transactions
    left join order_users
        on transactions.user_id is null
        and transactions.program = order_users.program
        and transactions.order_id = order_users.order_id
)

select program, user_id, transaction_id, amount_minor, currency, status, device_id, card_token, email,
    ip_address, coalesce(updated_at, created_at) as changed_at, intake_id, row_number
from named semi join members using (program, user_id)
"""
TOTALS: Final = """
with

latest as (
    select * from sales
    qualify row_number() over (
        partition by program, transaction_id
        order by changed_at desc, intake_id desc, row_number desc
    ) = 1
)

select program, user_id, currency, status in ('completed', 'refunded') as is_settled,
    count(*)::bigint as transaction_count, sum(amount_minor)::decimal(38, 0) as amount_minor
from latest group by all
"""
DISPUTES: Final = f"""
create temp table disputes as
with

chosen as (
    select * from chargebacks
    where exists (
        select 1 from sales
        where sales.program = chargebacks.program
            and sales.transaction_id = chargebacks.transaction_id
    )
),

-- Rows of older files do not say when their step happened: after all that arrived before them.
placed as (
    select
        *,
        {_IS_ENDED} as is_ended,
        coalesce(
            happened_at,
            activity_date,
            max(
                coalesce(
                    activity_date,
                    timezone(
                        'UTC',
                        cast(
                            coalesce(
                                case when {_IS_ENDED} then resolution_date end, dispute_date
                            ) as timestamp
                        )
                    )
                )
            ) over (
                partition by program, network, case_number
                order by intake_id, row_number
                rows between unbounded preceding and current row
            )
        ) as placed_at
    from chosen
),

ranked as (
    select
        *,
        case stage
            when 'inquiry' then 1 when 'chargeback' then 2 when 'representment' then 3
            when 'pre_arbitration' then 4 when 'arbitration' then 5 else 6
        end as stage_rank,
        row_number() over (
            partition by program, network, case_number
            order by placed_at desc, intake_id desc, row_number desc
        ) as recency
    from placed
)

select
    program,
    concat_ws('/', network, case_number) as dispute,
    max(transaction_id) filter (where recency = 1) as transaction_id,
    max(dispute_currency) filter (where recency = 1) as currency,
    max(dispute_amount_minor) filter (where recency = 1) as amount_minor,
    -- A deflected dispute never became a chargeback; one that is only known ended was no inquiry.
    not (
        coalesce(bool_or(stage_rank between 2 and 5 and coalesce(status, '') != 'prevented'), false)
        or min(stage_rank) = 6
    ) as is_inquiry
from ranked
group by program, network, case_number
"""  # noqa: S608 - only our own text
# One row for each version of the disputed transaction: any of them may show an identifier.
DISPUTES_WITH_USERS: Final = """
select distinct disputes.*, sales.user_id, sales.device_id, sales.card_token, sales.email,
    sales.ip_address
from disputes
inner join sales
    on disputes.program = sales.program and disputes.transaction_id = sales.transaction_id
"""
