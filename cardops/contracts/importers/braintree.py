"""Braintree: the dispute report of the control panel, one line a dispute.

Columns are chosen by who downloads it: only the names in `HEADER` must be there. It names no network
unless the card brand was chosen; else the dispute's transaction must name it.
"""

from typing import Final

import polars as pl

from cardops.contracts.importers.cells import credit_where, is_negative, iso_date, unsigned
from cardops.contracts.importers.vocabulary import Vocabulary

HEADER: Final = frozenset(
    {
        "dispute id",
        "amount disputed",
        "currency iso code",
        "kind",
        "status",
        "received date",
        "transaction id",
    }
)
KIND: Final = Vocabulary("braintree-kind", "kind")
STATUS: Final = Vocabulary("braintree", "status")


def columns() -> dict[str, pl.Expr]:
    """The contract's columns from the report's."""
    return {
        # The case number is the processor's, and not in every report.
        "case_number": pl.col("dispute id"),
        "transaction_id": pl.col("transaction id"),
        "chargeback_amount": unsigned("amount disputed"),
        "direction": credit_where(is_negative("amount disputed")),
        "currency": pl.col("currency iso code"),
        "dispute_date": iso_date("received date"),
        "transaction_date": iso_date("transaction date"),
        "reply_by_date": iso_date("reply by date"),
        "card_network": pl.coalesce("card type", "card brand", "payment instrument type"),
        "card_number": pl.concat_str(pl.lit("****"), pl.col("last four")),
        "merchant_id": pl.coalesce("merchant account id", "merchant account"),
        "reason_code": pl.col("reason code"),
        "chargeback_reason": pl.coalesce("reason description", "reason"),
        "stage": KIND.stage(),
        "status": STATUS.status(),
    }
