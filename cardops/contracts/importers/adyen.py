"""Adyen: the dispute transaction details report.

Three pairs of scheme and reason code, for request for information, chargeback and notification
of fraud; a row fills one pair. Of dates only the day is read; the time of a record has the offset of
the time zone that another column names.
"""

from typing import Final

import polars as pl

from cardops.contracts.importers.cells import credit_where, first_id, is_negative, unsigned, zoned
from cardops.contracts.importers.vocabulary import Vocabulary

HEADER: Final = frozenset(
    {
        "dispute psp reference",
        "dispute amount",
        "dispute currency",
        "dispute date",
        "record type",
    }
)
RECORD_TYPE: Final = Vocabulary("adyen", "record type")


def columns() -> dict[str, pl.Expr]:
    """The contract's columns from the report's."""
    return {
        "case_number": pl.col("dispute psp reference"),
        "transaction_id": first_id("merchant reference", "psp reference"),
        "chargeback_amount": unsigned("dispute amount"),
        "currency": pl.col("dispute currency"),
        "direction": credit_where(is_negative("dispute amount")),
        "dispute_date": pl.col("dispute date").str.head(10),
        "activity_date": zoned("record date", "record date timezone"),
        "transaction_date": pl.col("payment date").str.head(10),
        "transaction_amount": unsigned("payment amount"),
        "transaction_currency": pl.col("payment currency"),
        "card_network": pl.col("payment method"),
        "card_number": pl.col("shopper pan"),
        "reason_code": pl.coalesce("cb reason code", "nof reason code", "rfi reason code"),
        "chargeback_reason": pl.col("dispute reason"),
        "merchant_name": pl.col("merchant account"),
        "stage": RECORD_TYPE.stage(),
        "status": RECORD_TYPE.status(),
        "resolution_date": pl.col("dispute end date").str.head(10),
        "arn": pl.col("dispute arn"),
    }
