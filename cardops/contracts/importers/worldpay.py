"""Worldpay (Vantiv) eComm: cases of the chargeback API, one line a case. Amounts in minor units."""

from typing import Final

import polars as pl

from cardops.contracts.columns.money import decimal_text

HEADER: Final = frozenset(
    {"caseid", "vantivcnptxnid", "chargebackamount", "chargebackcurrencytype", "cycle"}
)
_CYCLES: Final = {
    "FIRST_CHARGEBACK": "chargeback",
    "REPRESENTMENT": "representment",
    "RETRIEVAL_REQUEST": "inquiry",
    "PRE_ARBITRATION": "pre_arbitration",
    "ARBITRATION": "arbitration",
    "ARBITRATION_CHARGEBACK": "pre_arbitration",
    "ISSUER_DECLINED_PRESENTMENT": "representment",
    "ARBITRATION_WON": "won",
    "ARBITRATION_LOST": "lost",
}


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
        "stage": pl.col("cycle").replace(_CYCLES),
        "arn": pl.col("acquirerreferencenumber"),
    }
