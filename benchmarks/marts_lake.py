"""A lake of payments, their orders, decisions and disputes over a year, made by DuckDB alone.

A tenth of the payments are disputed, a fifth are pending on their first day, some fail and some are
refunded up to two months later.
"""

from datetime import date, timedelta
from pathlib import Path
from typing import Final

import duckdb

FIRST: Final = date(2025, 12, 1)
DAYS: Final = 365
LAST: Final = FIRST + timedelta(days=DAYS - 1)
PAYMENTS_A_USER: Final = 2000

# Payment number n was made on day `day`; h spreads what follows from it.
_PAYMENTS: Final = """
create view payments as
select n, h, day, 'u' || (h % {users}) as user_id, h % 20011 + 1 as amount_minor,
    timestamptz '{first} 00:00:01+00' + to_days(day) + to_seconds(h % 80000) as made_at,
    ['USD', 'USD', 'EUR'][h % 3 + 1] as currency, 'm' || (h % 307) as merchant_id,
    case when h % 5 = 0 then 'pending' when h % 20 = 1 then 'failed' else 'completed' end as first_status
from (
    select n, (hash(n) >> 2)::bigint as h, (n * {days} // {payments})::integer as day
    from range({payments}) as numbers (n)
)
"""
_TABLES: Final = {
    "transactions": """
        select day + 1 as intake_id, day as at_day, first_status as status, null::timestamptz as updated_at, *
        from payments
        union all
        select day + 2, day + 1, 'completed', made_at + interval 1 day, * from payments
        where first_status = 'pending'
        union all
        select day + 3 + h % 60, day + 2 + h % 60, 'refunded', made_at + to_days(2 + (h % 60)::integer), *
        from payments where h % 33 = 2 and first_status = 'completed'
    """,
    "orders": "select day + 1 as intake_id, day as at_day, * from payments",
    "transaction_log": """
        select 'decision' as kind, n::varchar as event_key, day as at_day, -amount_minor as posted_minor, *
        from payments
        union all
        select 'deposit', 'd' || n, day, 10 * amount_minor, * from payments where h % 10 = 3
        union all
        select 'refund', 'r' || n, day + 2 + h % 60, amount_minor, * from payments
        where h % 33 = 2 and first_status = 'completed'
    """,
    "chargebacks": """
        select 0 as step, day + 21 + h % 40 as at_day, 'chargeback' as stage, 'open' as status, * from payments
        where h % 10 = 4
        union all
        select 1, day + 41 + h % 40, case when h % 3 = 0 then 'representment' else 'chargeback' end,
            case when h % 3 = 0 then 'open' when h % 3 = 1 then 'won' else 'lost' end, * from payments
        where h % 10 = 4 and h % 7 != 0
    """,
}
_COLUMNS: Final = {
    "transactions": """
        'default' as program, intake_id::bigint as intake_id, 'incoming/transactions/' || at_day as source_file,
        n as row_number, []::varchar[] as flags, 't' || n as transaction_id, 'o' || n as order_id,
        case when h % 4 > 0 then user_id end as user_id, amount_minor, currency, status,
        ['card', 'wallet', 'bank_transfer', 'credit_card'][h % 4 + 1] as payment_method,
        ['stripe', 'adyen', 'jpm'][h % 3 + 1] as provider, ['visa', 'mastercard', 'amex'][h % 3 + 1] as card_network,
        case when status = 'failed' then (h % 60)::varchar end as error_code, '411111' as card_bin,
        lpad((h % 10000)::varchar, 4, '0') as card_last4, 'tok' || (h % 1000000) as card_token, merchant_id,
        'd' || (h % 1000003) as device_id, '10.' || (h % 250) || '.1.' || (h % 251) as ip_address,
        user_id || '@example.com' as email, made_at as created_at, updated_at
    """,
    "orders": """
        'default' as program, intake_id::bigint as intake_id, 'incoming/orders/' || at_day as source_file,
        n as row_number, []::varchar[] as flags, 'o' || n as order_id, user_id, amount_minor, currency,
        'paid' as status, merchant_id, made_at as created_at
    """,
    "transaction_log": """
        'default' as program, kind, event_key, case when kind != 'deposit' then 't' || n end as transaction_id,
        user_id, currency, amount_minor, posted_minor, 0::bigint as held_change_minor,
        case when kind = 'decision' then 'PERMIT' end as status, 'sufficient_credit' as reason_code,
        true as is_capture, amount_minor as remaining_minor, n as ledger_seq, made_at as occurred_at, merchant_id
    """,
    "chargebacks": """
        'default' as program, (at_day + 1)::bigint as intake_id, 'incoming/chargebacks/' || at_day as source_file,
        2 * n + step as row_number, []::varchar[] as flags, 'default-batch-' || at_day as batch_id, 'c' || n as case_number,
        stage, 1::bigint as action_sequence, ['visa', 'mastercard', 'amex'][h % 3 + 1] as network,
        'column' as network_source, 't' || n as transaction_id, merchant_id,
        amount_minor as dispute_amount_minor, currency as dispute_currency,
        date '{first}' + (day + 20 + h % 40)::integer as dispute_date,
        case when h % 50 = 4 then '10.4' else '13.1' end as reason_code, 'fraud' as reason_category, status,
        date '{first}' + (day + 50 + h % 40)::integer as reply_by_on, 'feed' as clock,
        case when status in ('won', 'lost') then date '{first}' + at_day::integer end as resolution_date
    """,
}
# What the log's postings add up to at the end of each date.
_BALANCES: Final = """
    select 'default' as program, user_id, currency, balance as available_minor, 0::bigint as held_minor,
        balance as ledger_minor, {payments}::bigint as ledger_seq, at_day
    from (
        select user_id, currency, at_day,
            (sum(coalesce(posted_minor, 0)) over (partition by user_id, currency order by at_day))::bigint
                as balance
        from (select 'u' || u as user_id from range({users}) as users (u))
        cross join (select unnest(['USD', 'EUR']) as currency)
        cross join range({days}) as all_days (at_day)
        left join (
            select user_id, currency, at_day, sum(posted_minor) as posted_minor from ({log}) group by all
        ) using (user_id, currency, at_day)
    )
"""


def write_lake(lake: Path, payments: int) -> None:
    """Every table of the year, one folder a business date, as the lake has them."""
    users = max(payments // PAYMENTS_A_USER, 20)
    sizes = {"payments": payments, "users": users, "days": DAYS, "first": FIRST}
    lake.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as session:
        session.execute("set TimeZone = 'UTC'; set threads = 2; set memory_limit = '1500MB'")
        session.execute(f"set temp_directory = '{lake}.spill'")
        session.execute(_PAYMENTS.format(**sizes))
        rows = {
            table: f"select {_COLUMNS[table].format(**sizes)}, at_day from ({versions})"  # noqa: S608 - our own
            for table, versions in _TABLES.items()
        }
        rows["balances"] = _BALANCES.format(log=_TABLES["transaction_log"], **sizes)
        for table, query in rows.items():
            dated = (
                f"select * exclude (at_day), date '{FIRST}' + at_day::integer as business_date"  # noqa: S608 - our own
                f" from ({query}) where at_day < {DAYS}"
            )
            session.execute(
                f"copy ({dated}) to '{lake / table}'"
                " (format parquet, compression zstd, partition_by (business_date))"
            ).fetchall()
