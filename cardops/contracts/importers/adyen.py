"""Adyen: the dispute transaction details report.

Three pairs of scheme and reason code, for request for information, chargeback and notification
of fraud; a row fills one pair. Only the day of a date is read: its time zone is another column.
"""

from typing import Final

import polars as pl

HEADER: Final = frozenset(
    {
        "psp reference",
        "dispute psp reference",
        "dispute amount",
        "dispute currency",
        "dispute date",
        "record type",
        "cb reason code",
    }
)
# `mc_applepay`: the network, then the wallet through which the card was used.
_WALLET: Final = "_(?:applepay|googlepay|samsungpay|paywithgoogle|clicktopay|amazonpay)$"
_STAGES: Final = {
    "RequestForInformation": "inquiry",
    "NotificationOfFraud": "inquiry",
    # What starts the clock: the dispute is booked as a chargeback later.
    "NotificationOfChargeback": "chargeback",
    "Chargeback": "chargeback",
    "ChargebackReversed": "representment",
    # It answers a request for information, which is no chargeback yet.
    "InformationSupplied": "inquiry",
    "SecondChargeback": "pre_arbitration",
    "PreArbitrationWon": "won",
    "PreArbitrationLost": "lost",
}


def columns() -> dict[str, pl.Expr]:
    """The contract's columns from the report's."""
    return {
        "case_number": pl.col("dispute psp reference"),
        "transaction_id": pl.coalesce(pl.col("merchant reference"), pl.col("psp reference")),
        "chargeback_amount": pl.col("dispute amount").str.strip_prefix("-"),
        "currency": pl.col("dispute currency"),
        "dispute_date": pl.col("dispute date").str.head(10),
        "transaction_date": pl.col("payment date").str.head(10),
        "transaction_amount": pl.col("payment amount"),
        "transaction_currency": pl.col("payment currency"),
        "card_network": pl.col("payment method").str.replace(_WALLET, ""),
        "card_number": pl.col("shopper pan"),
        "reason_code": pl.coalesce("cb reason code", "nof reason code", "rfi reason code"),
        "chargeback_reason": pl.col("dispute reason"),
        "merchant_name": pl.col("merchant account"),
        "stage": pl.col("record type").replace(_STAGES),
        "resolution_date": pl.col("dispute end date").str.head(10),
        "arn": pl.col("dispute arn"),
    }
