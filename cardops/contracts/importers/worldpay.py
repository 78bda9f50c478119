"""Worldpay (Vantiv) eComm: cases of the chargeback API, one line a case. Amounts in minor units."""

from typing import Final

import polars as pl

from cardops.contracts.columns.money import decimal_text
from cardops.contracts.importers.cells import credit_where
from cardops.contracts.importers.vocabulary import Vocabulary

HEADER: Final = frozenset(
    {"caseid", "vantivcnptxnid", "chargebackamount", "chargebackcurrencytype", "cycle"}
)
CYCLE: Final = Vocabulary("worldpay", "cycle")
QUEUE: Final = Vocabulary("worldpay-queue", "currentqueue")


def columns() -> dict[str, pl.Expr]:
    """The contract's columns from the case's."""
    currency = pl.col("chargebackcurrencytype")
    return {
        "case_number": pl.col("caseid"),
        "transaction_id": pl.coalesce(
            pl.col("merchanttxnid"), pl.col("orderid"), pl.col("vantivcnptxnid")
        ),
        "chargeback_amount": decimal_text(pl.col("chargebackamount"), currency),
        "transaction_amount": decimal_text(pl.col("paymentamount"), currency),
        "currency": currency,
        "transaction_currency": currency,
        # D: the merchant is debited; C: credited.
        "direction": credit_where(pl.col("chargebacktype").str.to_uppercase() == "C"),
        "dispute_date": pl.col("dayissuedbybank"),
        "transaction_date": pl.col("originaltxnday"),
        "reply_by_date": pl.col("replybyday"),
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
