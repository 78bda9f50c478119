"""CyberSource: the chargeback report, one line an event. `CBSign` is the side of the amount."""

from typing import Final

import polars as pl

from cardops.contracts.importers.cells import (
    credit_where,
    first_id,
    is_credit_word,
    iso_date,
    unsigned,
)
from cardops.contracts.importers.vocabulary import Vocabulary

HEADER: Final = frozenset(
    {"trackingnumber", "natureofdispute", "cbamount", "currencycode", "cbdate"}
)
NATURE: Final = Vocabulary("cybersource", "natureofdispute")


def columns() -> dict[str, pl.Expr]:
    """The contract's columns from the report's."""
    return {
        "case_number": pl.col("trackingnumber"),
        "transaction_id": first_id("merchantreferencenumber", "requestid"),
        "chargeback_amount": unsigned("cbamount"),
        "currency": pl.col("currencycode"),
        # A sign alone is not documented to be either side.
        "direction": credit_where(is_credit_word("cbsign")),
        "dispute_date": iso_date("cbdate"),
        "transaction_date": iso_date("originalsettlementdate"),
        "reply_by_date": iso_date("responseduedate"),
        "card_network": pl.col("cardtype"),
        "merchant_id": pl.coalesce("processormerchantid", "cybersourceid"),
        "merchant_name": pl.col("merchantname"),
        "reason_code": pl.col("cbreasoncode"),
        "chargeback_reason": pl.col("cbactiondescription"),
        "stage": NATURE.stage(),
    }
