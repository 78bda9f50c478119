"""TabaPay: the daily report of payments reported as fraud, with its sixteen columns.

Source of the columns: developers.tabapay.com/docs/reported-fraud and /banks-reported-fraud-daily, which
call the transaction's id by two names. Amounts are dollars and have no currency beside them.
"""

from typing import Final

import polars as pl

from cardops.contracts.importers.cells import first_id, iso_date, unsigned

HEADER: Final = frozenset(
    {
        "mid",
        "reference id",
        "arn",
        "original transaction amount",
        "reported fraud date",
        "network",
        "fraud type",
        "fraud description",
    }
)


def columns() -> dict[str, pl.Expr]:
    """The contract's columns from the report's."""
    network = pl.col("network").str.to_lowercase()
    source = (
        pl.when(network == "visa")
        .then(pl.lit("tc40"))
        .when(network == "mastercard")
        .then(pl.lit("safe"))
        .when(network.is_not_null())
        .then(pl.lit("other"))
    )
    amount = pl.col("original transaction amount")
    return {
        "source": source,
        "reported_on": iso_date("reported fraud date"),
        "amount": unsigned("original transaction amount"),
        "currency": pl.when(amount.is_not_null()).then(pl.lit("USD")),
        "transaction_id": first_id("tabapay transaction id", "transaction id", "reference id"),
        # An asterisk keeps spreadsheets from reading the reference as a number.
        "arn": pl.col("arn").str.strip_prefix("*"),
        "fraud_type": pl.col("fraud type"),
        "card_network": pl.col("network"),
        "card_number": pl.col("card number"),
        "merchant_id": pl.col("mid"),
    }
