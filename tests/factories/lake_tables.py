"""Rows of the lake's tables: a test says what matters to it, the rest is filled in."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

import polars as pl

from cardops.contracts.lake.tables import lake_tables

DAY: Final = date(2026, 11, 20)
NOON: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)

_ORIGIN: Final = {
    "program": "default",
    "intake_id": 1,
    "source_file": "incoming/file.csv",
    "row_number": 1,
    "flags": [],
}
_DEFAULTS: Final[Mapping[str, Mapping[str, object]]] = {
    "deposits": {
        **_ORIGIN,
        "deposit_id": "d-1",
        "user_id": "user_1",
        "currency": "USD",
        "amount_minor": 1000,
        "occurred_at": NOON,
        "ledger_seq": 1,
    },
    "acknowledged_files": {
        "program": "default",
        "network": "visa",
        "destination": "visa",
        "file_name": "CB_visa_default_2026-11-20_000001_v2.csv",
        "sequence": 1,
        "verdict": "accepted",
        "delivered_at": NOON,
        "is_late": False,
    },
    "transactions": {
        **_ORIGIN,
        "transaction_id": "t-1",
        "order_id": "o-1",
        "user_id": "user_1",
        "amount_minor": 1000,
        "currency": "USD",
        "payment_method": "card",
        "status": "completed",
        "created_at": NOON,
    },
    "orders": {
        **_ORIGIN,
        "order_id": "o-1",
        "user_id": "user_1",
        "amount_minor": 1000,
        "currency": "USD",
        "status": "paid",
        "created_at": NOON,
    },
    "chargebacks": {
        **_ORIGIN,
        "batch_id": "default-2026-11-20-001",
        "case_number": "c-1",
        "stage": "chargeback",
        "action_sequence": 1,
        "network": "visa",
        "network_source": "column",
        "transaction_id": "t-1",
        "dispute_amount_minor": 1000,
        "dispute_currency": "USD",
        "dispute_date": DAY,
    },
    "transaction_log": {
        "program": "default",
        "kind": "deposit",
        "event_key": "e-1",
        "user_id": "user_1",
        "currency": "USD",
        "amount_minor": 1000,
        "posted_minor": 0,
        "held_change_minor": 0,
        "ledger_seq": 1,
        "occurred_at": NOON,
    },
    "balances": {
        "program": "default",
        "user_id": "user_1",
        "currency": "USD",
        "available_minor": 0,
        "held_minor": 0,
        "ledger_minor": 0,
        "ledger_seq": 1,
    },
    "dispute_records": {"program": "default"},
    "chargeback_supplements": {"batch_id": "default-2026-11-20-001"},
    "waiting_disputes": {
        "program": "default",
        "batch_id": "default-2026-11-20-001",
        "network": "visa",
        "case_number": "c-1",
        "stage": "chargeback",
        "reason": "file_dead",
        "dispute_amount_minor": 1000,
        "dispute_currency": "USD",
        "waiting_since": NOON,
        "intake_id": 3,
        "row_number": 1,
    },
    "provisional_credits": {
        "program": "default",
        "network": "visa",
        "case_number": "c-1",
        "user_id": "user_1",
        "policy": "regulation_e",
        "state": "standing",
        "dispute_amount_minor": 1000,
        "dispute_currency": "USD",
        "credit_amount_minor": 1000,
        "kept_amount_minor": 1000,
        "credit_currency": "USD",
        "notified_on": DAY - timedelta(days=20),
        "credit_due_on": DAY - timedelta(days=6),
        "credited_on": DAY - timedelta(days=6),
        "final_on": DAY + timedelta(days=70),
        "needs_person": False,
        "as_of_on": DAY,
    },
    "bank_statements": {
        **_ORIGIN,
        "account_id": "bank-1",
        "statement_id": "s-1",
        "entry_id": "1",
        "currency": "USD",
        "statement_date": DAY,
        "opening_balance_minor": 0,
        "closing_balance_minor": 1000,
        "amount_minor": 1000,
    },
    "file_deliveries": {
        "program": "default",
        "batch_id": "default-2026-11-20-001",
        "network": "visa",
        "destination": "visa",
        "file_name": "CB_visa_default_2026-11-20_000001_v2.csv",
        "sequence": 1,
        "row_count": 3,
        "state": "delivered",
        "content_sha256": "aa",
        "sent_sha256": "bb",
        "attempt_count": 1,
        "acknowledgement": "none",
    },
    "quarantined_rows": {
        **_ORIGIN,
        "kind": "deposits",
        "reasons": ["invalid_amount"],
        "state": "refused",
        "claimed_on": DAY,
    },
    "fraud_reports": {
        **_ORIGIN,
        "report_id": "f-1",
        "source": "tc40",
        "network": "visa",
        "transaction_id": "t-1",
        "reported_on": DAY,
        "amount_minor": 1000,
        "currency": "USD",
        "status": "reported",
    },
    "pre_dispute_outcomes": {
        **_ORIGIN,
        "case_id": "a-1",
        "service": "rdr",
        "alert_outcome": "accepted",
        "outcome_on": DAY,
        "network": "visa",
        "transaction_id": "t-1",
        "amount_minor": 1000,
        "currency": "USD",
    },
    "reconciliation_totals": {
        "program": "default",
        "currency": "USD",
        "account_count": 1,
        "balance_minor": 0,
        "posted_minor": 0,
    },
    "safeguarding": {
        "program": "default",
        "account_id": "bank-1",
        "currency": "USD",
        "check_name": "funds_cover_balances",
        "is_break": False,
    },
    "reconciliation_breaks": {
        "program": "default",
        "user_id": "user_1",
        "currency": "USD",
        "side_a": "balances",
        "side_b": "postings",
        "amount_a_minor": 1,
        "amount_b_minor": 0,
    },
}


def rows_of(table: str, *rows: Mapping[str, object]) -> pl.DataFrame:
    """A frame of that table with one row for each mapping, over the table's defaults."""
    filled = [{**_DEFAULTS[table], **row} for row in rows]
    return pl.DataFrame(filled, schema=lake_tables()[table])


def a_posting(
    user_id: str, posted_minor: int, ledger_seq: int, **more: object
) -> dict[str, object]:
    """A row of the log: a deposit, or a captured decision where the amount is negative."""
    kind = "deposit" if posted_minor > 0 else "decision"
    return {
        "kind": kind,
        "event_key": f"{user_id}-{ledger_seq}",
        "user_id": user_id,
        "amount_minor": abs(posted_minor),
        "posted_minor": posted_minor,
        "ledger_seq": ledger_seq,
        **({} if kind == "deposit" else a_permit(f"{user_id}-{ledger_seq}")),
        **more,
    }


def a_permit(transaction_id: str) -> dict[str, object]:
    """What a permitted and captured decision has beside its amounts."""
    return {
        "transaction_id": transaction_id,
        "status": "PERMIT",
        "reason_code": "sufficient_credit",
        "is_capture": True,
        "remaining_minor": 0,
    }


def a_balance(
    user_id: str, available_minor: int, ledger_seq: int, *, held_minor: int = 0
) -> dict[str, object]:
    """A closing balance that adds up."""
    return {
        "user_id": user_id,
        "available_minor": available_minor,
        "held_minor": held_minor,
        "ledger_minor": available_minor + held_minor,
        "ledger_seq": ledger_seq,
    }
