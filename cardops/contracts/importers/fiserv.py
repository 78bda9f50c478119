"""Fiserv (First Data): the chargeback export of Business Track, one line a dispute."""

from typing import Final

import polars as pl

from cardops.contracts.importers.cells import (
    credit_where,
    first_id,
    is_negative,
    iso_date,
    unsigned,
)
from cardops.contracts.importers.vocabulary import Vocabulary

HEADER: Final = frozenset(
    {
        "sequence #",
        "chargeback amount",
        "dispute currency code",
        "chargeback work type",
        "received date",
    }
)
TYPE: Final = Vocabulary("fiserv-type", "chargeback work type")
OUTCOME: Final = Vocabulary("fiserv", "chargeback win/loss")


def columns() -> dict[str, pl.Expr]:
    """The contract's columns from the export's. Without an order number the ARN names the payment."""
    return {
        "case_number": pl.col("sequence #"),
        "transaction_id": first_id("merchant order #", "acquirer reference number"),
        "chargeback_amount": unsigned("chargeback amount"),
        "currency": pl.col("dispute currency code"),
        "direction": credit_where(is_negative("chargeback amount")),
        "dispute_date": iso_date("received date"),
        "transaction_date": iso_date("txn date"),
        "reply_by_date": iso_date("due date"),
        "card_network": pl.col("auth network"),
        "reason_code": pl.col("dispute reason code"),
        "chargeback_reason": pl.col("dispute reason"),
        "stage": TYPE.stage(),
        "status": OUTCOME.status(),
        "arn": pl.col("acquirer reference number"),
    }
