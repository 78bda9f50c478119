"""Stripe: the dashboard's payments export, with the dispute in the payment's row.

Payments without a dispute are skipped. The export has no second dispute of a payment.
"""

from typing import Final

import polars as pl

from cardops.contracts.importers.cells import credit_where, is_negative, unsigned
from cardops.contracts.importers.vocabulary import Vocabulary

HEADER: Final = frozenset({"id", "disputed amount", "dispute date (utc)", "dispute status"})
# A warning asks a question; what was prevented ended before it became a chargeback.
STATUS: Final = Vocabulary("stripe", "dispute status")


def is_dispute() -> pl.Expr:
    """Where the payment was disputed at all."""
    return pl.any_horizontal(
        pl.col("dispute date (utc)").is_not_null(), pl.col("dispute status").is_not_null()
    )


def columns() -> dict[str, pl.Expr]:
    """The contract's columns from the export's."""
    currency = pl.col("currency").str.to_uppercase()
    return {
        "transaction_id": pl.col("id"),
        "chargeback_amount": unsigned("disputed amount"),
        "direction": credit_where(is_negative("disputed amount")),
        "transaction_amount": unsigned("amount"),
        "currency": currency,
        "transaction_currency": currency,
        "dispute_date": pl.col("dispute date (utc)").str.head(10),
        "transaction_date": pl.coalesce("created (utc)", "created date (utc)").str.head(10),
        "reply_by_date": pl.col("dispute evidence due (utc)").str.head(10),
        "card_network": pl.col("card brand"),
        # Four digits are the end of the number, never its beginning.
        "card_number": pl.concat_str(pl.lit("****"), pl.col("card last4")),
        "chargeback_reason": pl.col("dispute reason"),
        "stage": pl.when(~STATUS.is_unknown()).then(STATUS.stage()),
        "status": STATUS.status(),
    }
