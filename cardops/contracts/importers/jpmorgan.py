"""J.P. Morgan: Dispute Details, Dispute Details V2 and PDE-0017.

Amounts are signed by the side that is debited, which the contract does not need: the sign is dropped.
Categories are movements of an inventory; one dispute appears under several.
"""

from typing import Final

import polars as pl

_COMMON: Final = frozenset(
    {
        "dispute transaction sequence number",
        "merchant order number",
        "issuer dispute presentment currency amount",
        "presentment currency code",
        "dispute initiate date",
        "account number",
    }
)
DETAILS_HEADER: Final = _COMMON | {"category", "payment brand dispute reason text"}
PDE_0017_HEADER: Final = _COMMON | {"record type", "dispute category code"}
DETAILS_V2_HEADER: Final = _COMMON | {"post deposit event dispute type code", "company name"}

# Received; returned to the merchant; recourse and representment; what opened and ended the day.
_STATUSES: Final = {
    "RECD": "open",
    "RTM": "pending_response",
    "PTM": "lost",
    "REPR": "pending",
    "RECOV": "won",
    "BEGINV": "open",
    "ENDINV": "open",
}


def details() -> dict[str, pl.Expr]:
    """The detail section of the preset report."""
    return {
        **_columns(category="category"),
        "chargeback_reason": pl.col("payment brand dispute reason text"),
    }


def details_v2() -> dict[str, pl.Expr]:
    """The flat report with its columns in alphabetical order."""
    return {
        **_columns(category="dispute category code"),
        "chargeback_reason": pl.col("payment brand dispute reason text"),
        "merchant_name": pl.col("company name"),
    }


def pde_0017() -> dict[str, pl.Expr]:
    """Detail records of the delivery file; summary records are skipped."""
    return _columns(category="dispute category code")


def _columns(*, category: str) -> dict[str, pl.Expr]:
    return {
        "case_number": pl.col("dispute transaction sequence number"),
        "transaction_id": pl.col("merchant order number"),
        "chargeback_amount": _unsigned("issuer dispute presentment currency amount"),
        "currency": pl.col("presentment currency code"),
        "dispute_date": _date("dispute initiate date"),
        "transaction_date": _date("transaction date"),
        "reply_by_date": _date("dispute due date"),
        "card_number": pl.col("account number"),
        "card_network": pl.col("payment method code"),
        "reason_code": pl.col("payment brand dispute reason code"),
        "arn": pl.col("acquirer reference number"),
        "status": pl.col(category).replace(_STATUSES).str.to_lowercase(),
    }


def _unsigned(column: str) -> pl.Expr:
    """Without the sign, and without zeros after the last digit that counts: `10.00000000`."""
    text = pl.col(column).str.strip_prefix("-")
    return text.str.replace(r"\.0*$|(\.[0-9]*[1-9])0+$", "${1}")


def _date(column: str) -> pl.Expr:
    """`11/20/2026` is how these reports write a date where they do not write ISO 8601."""
    american = pl.col(column).str.to_date("%m/%d/%Y", strict=False).dt.to_string("%Y-%m-%d")
    return pl.coalesce(american, pl.col(column))
