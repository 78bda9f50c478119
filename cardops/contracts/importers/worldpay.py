"""Worldpay (Vantiv) eComm: cases of the chargeback API, one line a case. Amounts in minor units."""

from typing import Final

import polars as pl

from cardops.contracts.importers.cells import (
    credit_where,
    first_id,
    is_credit_word,
    is_negative,
    iso_date,
    minor_units,
)
from cardops.contracts.importers.vocabulary import Vocabulary

HEADER: Final = frozenset({"caseid", "chargebackamount", "chargebackcurrencytype", "cycle"})
CYCLE: Final = Vocabulary("worldpay", "cycle")
QUEUE: Final = Vocabulary("worldpay-queue", "currentqueue")


def columns() -> dict[str, pl.Expr]:
    """The contract's columns from the case's."""
    currency = pl.col("chargebackcurrencytype")
    return {
        "case_number": pl.col("caseid"),
        "transaction_id": first_id("merchanttxnid", "orderid", "vantivcnptxnid"),
        "chargeback_amount": minor_units("chargebackamount", currency),
        "transaction_amount": minor_units("paymentamount", currency),
        "currency": currency,
        "transaction_currency": currency,
        # D: the merchant is debited; C: credited.
        "direction": credit_where(
            is_credit_word("chargebacktype") | is_negative("chargebackamount")
        ),
        "dispute_date": iso_date("dayissuedbybank"),
        "transaction_date": iso_date("originaltxnday"),
        "reply_by_date": iso_date("replybyday"),
        "card_network": pl.col("cardtype"),
        "card_number": pl.concat_str(
            pl.col("bin").fill_null(""), pl.lit("****"), pl.col("cardnumberlast4")
        ),
        "merchant_id": pl.col("merchantid"),
        "reason_code": pl.col("reasoncode"),
        "chargeback_reason": pl.col("reasoncodedescription"),
        "stage": CYCLE.stage(),
        # A queue that is not in the table says nothing about the dispute.
        "status": pl.when(~QUEUE.is_unknown()).then(QUEUE.status()),
        "arn": pl.col("acquirerreferencenumber"),
    }
