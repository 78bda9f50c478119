"""Stripe: the dashboard's payments export, with the dispute in the payment's row.

Payments without a dispute are skipped. The export has no second dispute of a payment.
"""

from typing import Final

import polars as pl

HEADER: Final = frozenset({"id", "disputed amount", "dispute date (utc)", "dispute status"})
# A warning asks a question; what was prevented ended before it became a chargeback.
_INQUIRIES: Final = (
    "warning_needs_response",
    "warning_under_review",
    "warning_closed",
    "prevented",
)
_STATUSES: Final = {
    "needs_response": "pending_response",
    "warning_needs_response": "pending_response",
    "under_review": "pending",
    "warning_under_review": "pending",
    "warning_closed": "resolved",
    "charge_refunded": "resolved",
    "prevented": "resolved",
}


def is_dispute() -> pl.Expr:
    """Where the payment was disputed at all."""
    return pl.any_horizontal(
        pl.col("dispute date (utc)").is_not_null(), pl.col("dispute status").is_not_null()
    )


def columns() -> dict[str, pl.Expr]:
    """The contract's columns from the export's."""
    return {
        "transaction_id": pl.col("id"),
        "chargeback_amount": pl.col("disputed amount"),
        "transaction_amount": pl.col("amount"),
        "currency": pl.col("currency").str.to_uppercase(),
        "transaction_currency": pl.col("currency").str.to_uppercase(),
        "dispute_date": pl.col("dispute date (utc)").str.head(10),
        "transaction_date": pl.col("created (utc)").str.head(10),
        "reply_by_date": pl.col("dispute evidence due (utc)").str.head(10),
        "card_network": pl.col("card brand"),
        # Four digits are the end of the number, never its beginning.
        "card_number": pl.concat_str(pl.lit("****"), pl.col("card last4")),
        "chargeback_reason": pl.col("dispute reason"),
        "stage": pl.when(pl.col("dispute status").is_in(_INQUIRIES)).then(pl.lit("inquiry")),
        "status": pl.col("dispute status").replace(_STATUSES),
    }
