"""The payment that a fraud report or a pre-dispute outcome names, and what is said where both differ.

Belongs here: what the two kinds share. A dispute's payment also has a status and an exponent of its own
(cardops.contracts.kinds.chargebacks).
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

from cardops.contracts.columns.money import amount_minor
from cardops.contracts.kinds.profile import Reference
from cardops.rules.intake.files import Kind, RowFlag

NAMED_PAYMENT: Final = Reference(
    Kind("transactions"),
    "transaction_id",
    {
        "currency": "paid_currency",
        "amount_minor": "paid_minor",
        "card_network": "paid_network",
        "provider": "paid_provider",
    },
)
# The row names a transaction that is not known (yet).
IS_UNKNOWN: Final = ~pl.col("is_known") & pl.col("transaction_id").is_not_null()


def payment_flags() -> Mapping[RowFlag, pl.Expr]:
    """What is said of a row by its payment. An amount is compared in one currency only."""
    paid_currency = pl.col("paid_currency")
    return {
        RowFlag.TRANSACTION_UNKNOWN: IS_UNKNOWN,
        RowFlag.CURRENCY_DIFFERS: pl.col("currency") != paid_currency,
        RowFlag.AMOUNT_EXCEEDS_TRANSACTION: (pl.col("currency") == paid_currency)
        & (amount_minor("amount", "currency") > pl.col("paid_minor")),
    }
