"""The transaction log as history: one row for every decision and movement, permitted or not.

Belongs here: the log's columns in the lake, and the words in them. Does not belong here: how
it is read out of the store (cardops.adapters.postgresql.reconciliation.transaction_log).
"""

from enum import StrEnum
from typing import Final

import polars as pl

TABLE: Final = "transaction_log"


class LogKind(StrEnum):
    """What happened: a decision, a deposit, a credit of a dispute, or what followed one of them."""

    DECISION = "decision"
    CAPTURE = "capture"
    VOID = "void"
    EXPIRE = "expire"
    INCREMENT = "increment"
    REFUND = "refund"
    DEPOSIT = "deposit"
    RECALL = "recall"
    REINSTATEMENT = "reinstatement"
    PROVISIONAL_CREDIT = "provisional_credit"
    CREDIT_MADE_FINAL = "credit_made_final"
    CREDIT_TAKEN_BACK = "credit_taken_back"


# `posted_minor` is the signed effect on the ledger balance, `held_change_minor` on the held one.
# `ledger_seq` orders an account's rows: those up to a balance's own are in it, later ones not.
COLUMNS: Final = pl.Schema(
    {
        "program": pl.String(),
        "kind": pl.String(),
        "event_key": pl.String(),
        "transaction_id": pl.String(),
        "user_id": pl.String(),
        "currency": pl.String(),
        "amount_minor": pl.Int64(),
        "posted_minor": pl.Int64(),
        "held_change_minor": pl.Int64(),
        "status": pl.String(),
        "reason_code": pl.String(),
        "is_capture": pl.Boolean(),
        "remaining_minor": pl.Int64(),
        "ledger_seq": pl.Int64(),
        "occurred_at": pl.Datetime("us", "UTC"),
        "merchant_id": pl.String(),
        "channel": pl.String(),
    }
)
