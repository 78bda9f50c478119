"""The lake's tables and their columns, as every writer writes them and every reader may rely on.

`business_date` is in the path (`<table>/business_date=D/`), not among the columns.
"""

from typing import Final

import polars as pl

from cardops.contracts.lake import transaction_log

# The name of a table's only file of a business date, where the whole date is rewritten at once.
SNAPSHOT: Final = "snapshot"

_TEXT: Final = pl.String()
_INTEGER: Final = pl.Int64()
_INSTANT: Final = pl.Datetime("us", "UTC")
_DATE: Final = pl.Date()

# What every row that came in a file can say about where it came from.
_ORIGIN: Final = {
    "program": _TEXT,
    "intake_id": _INTEGER,
    "source_file": _TEXT,
    "row_number": _INTEGER,
    "flags": pl.List(_TEXT),
}

DEPOSITS: Final = pl.Schema(
    {
        **_ORIGIN,
        "deposit_id": _TEXT,
        "user_id": _TEXT,
        "currency": _TEXT,
        "amount_minor": _INTEGER,
        "occurred_at": _INSTANT,
        "ledger_seq": _INTEGER,
    }
)
TRANSACTIONS: Final = pl.Schema(
    {
        **_ORIGIN,
        **dict.fromkeys(("transaction_id", "order_id", "user_id"), _TEXT),
        "amount_minor": _INTEGER,
        **dict.fromkeys(("currency", "payment_method", "provider", "status"), _TEXT),
        **dict.fromkeys(("error_code", "card_network", "card_bin", "card_last4"), _TEXT),
        **dict.fromkeys(("merchant_id", "device_id", "ip_address", "email", "card_token"), _TEXT),
        **dict.fromkeys(("created_at", "updated_at"), _INSTANT),
    }
)
ORDERS: Final = pl.Schema(
    {
        **_ORIGIN,
        **dict.fromkeys(("order_id", "user_id"), _TEXT),
        "amount_minor": _INTEGER,
        **dict.fromkeys(("currency", "status", "merchant_id", "shipping_country"), _TEXT),
        **dict.fromkeys(("items_count", "items_total_minor"), _INTEGER),
        **dict.fromkeys(("created_at", "updated_at"), _INSTANT),
    }
)
CHARGEBACKS: Final = pl.Schema(
    {
        **_ORIGIN,
        **dict.fromkeys(("batch_id", "case_number", "stage"), _TEXT),
        "action_sequence": _INTEGER,
        **dict.fromkeys(("network", "network_source", "transaction_id", "arn"), _TEXT),
        **dict.fromkeys(("merchant_id", "merchant_name", "card_bin", "card_last4"), _TEXT),
        "transaction_date": _DATE,
        "transaction_amount_minor": _INTEGER,
        "transaction_currency": _TEXT,
        "dispute_amount_minor": _INTEGER,
        "dispute_currency": _TEXT,
        "dispute_date": _DATE,
        **dict.fromkeys(("reason_code", "reason_category", "reason_text", "status"), _TEXT),
        **dict.fromkeys(("reply_by_date", "resolution_date"), _DATE),
        "payment_method": _TEXT,
    }
)
# Closing balances. `ledger_seq` is the account's when it was read: later log rows are not in it.
BALANCES: Final = pl.Schema(
    {
        **dict.fromkeys(("program", "user_id", "currency"), _TEXT),
        **dict.fromkeys(("available_minor", "held_minor", "ledger_minor", "ledger_seq"), _INTEGER),
    }
)
# A break of a whole program has no user. The sides are names of cardops.rules.reconciliation.
RECONCILIATION_BREAKS: Final = pl.Schema(
    {
        **dict.fromkeys(("program", "user_id", "currency", "side_a", "side_b"), _TEXT),
        **dict.fromkeys(("amount_a_minor", "amount_b_minor"), _INTEGER),
    }
)

LAKE_TABLES: Final = {
    "deposits": DEPOSITS,
    "transactions": TRANSACTIONS,
    "orders": ORDERS,
    "chargebacks": CHARGEBACKS,
    transaction_log.TABLE: transaction_log.COLUMNS,
    "balances": BALANCES,
    "reconciliation_breaks": RECONCILIATION_BREAKS,
}


def empty_frame(table: str) -> pl.DataFrame:
    """No rows, all columns: what a reader sees of a table that has no file yet."""
    return pl.DataFrame(schema=LAKE_TABLES[table])
