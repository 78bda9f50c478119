"""J.P. Morgan: Dispute Details (preset report, version 1 and 2) and PDE-0017.

Categories are movements of an inventory, so one dispute appears under several: the later of two
records is its state. Amounts are signed by the movement. A received amount below zero is a credit; one
returned to the merchant leaves the inventory, which moves no money.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

from cardops.contracts.importers.cells import (
    credit_where,
    is_credit_word,
    is_debit_word,
    is_negative,
    iso_date,
    iso_instant,
    unsigned,
)
from cardops.contracts.importers.vocabulary import Vocabulary

_COMMON: Final = frozenset(
    {
        "dispute transaction sequence number",
        "issuer dispute presentment currency amount",
        "presentment currency code",
        "dispute initiate date",
    }
)
DETAILS_HEADER: Final = _COMMON | {"category"}
PDE_0017_HEADER: Final = _COMMON | {"dispute category code", "dispute type code"}
DETAILS_V2_HEADER: Final = _COMMON | {"post deposit event dispute type code"}
# Looked for before version 2, which has no column of that name.
DETAILS_V1_HEADER: Final = DETAILS_V2_HEADER | {"dispute settlement currency amount"}

CATEGORY: Final = Vocabulary("jpmorgan", "category")
CATEGORY_CODE: Final = Vocabulary("jpmorgan", "dispute category code")
TYPE: Final = Vocabulary("jpmorgan-type", "dispute type code")
EVENT_TYPE: Final = Vocabulary("jpmorgan-type", "post deposit event dispute type code")

# Methods of payment: the second code of a debit network is its transactions without a PIN.
_METHODS: Final[Mapping[str, str]] = {
    "VI": "visa",
    "MC": "mastercard",
    "AX": "amex",
    "DI": "discover",
    "DC": "diners",
    "JC": "jcb",
    "MT": "maestro",
    **dict.fromkeys(("NY", "NP"), "nyce"),
    **dict.fromkeys(("PS", "PP"), "pulse"),
    **dict.fromkeys(("ST", "SP"), "star"),
    **dict.fromkeys(("AC", "AP"), "accel"),
    "IL": "interlink",
    "SH": "shazam",
    "EC": "echeck",
}
# Returned to the merchant: out of the inventory, and therefore below zero, without any credit.
_RETURNED: Final = "RTM"


def details() -> dict[str, pl.Expr]:
    """The detail section of the preset report."""
    return {
        **_columns(CATEGORY, TYPE),
        "chargeback_reason": pl.col("payment brand dispute reason text"),
        "merchant_id": pl.col("transaction division external identifier"),
    }


def details_v1() -> dict[str, pl.Expr]:
    """The flat report whose first column is the account number, with times of activity."""
    return {
        **_columns(CATEGORY_CODE, EVENT_TYPE, settlement="dispute settlement currency amount"),
        "chargeback_reason": pl.col("payment brand dispute reason text"),
        "merchant_id": pl.col("transaction division external identifier"),
        "activity_date": pl.coalesce(iso_instant("activity timestamp"), _activity()),
    }


def details_v2() -> dict[str, pl.Expr]:
    """The flat report with its columns in alphabetical order."""
    code = pl.col("authorization code")
    return {
        **_columns(CATEGORY_CODE, EVENT_TYPE),
        "chargeback_reason": pl.col("payment brand dispute reason text"),
        "merchant_id": pl.col("transaction division external identifier"),
        "merchant_name": pl.col("company name"),
        "activity_date": pl.coalesce(iso_instant("activity timestamp"), _activity()),
        # A refund has the word instead of a code.
        "transaction_auth_code": pl.when(code != "REFUND").then(code),
    }


def pde_0017() -> dict[str, pl.Expr]:
    """Detail records of the delivery file; summary records are skipped."""
    return {
        **_columns(CATEGORY_CODE, TYPE),
        "merchant_id": pl.col("entity identifier"),
        "fee_amount": unsigned("fee amount"),
        "fee_currency": pl.col("settlement currency code"),
    }


def _columns(
    category: Vocabulary,
    dispute_type: Vocabulary,
    *,
    settlement: str = "issuer dispute settlement currency amount",
) -> dict[str, pl.Expr]:
    amount = "issuer dispute presentment currency amount"
    return {
        "case_number": pl.col("dispute transaction sequence number"),
        "transaction_id": pl.col("merchant order number"),
        "chargeback_amount": unsigned(amount),
        "currency": pl.col("presentment currency code"),
        "dispute_date": iso_date("dispute initiate date"),
        "transaction_date": iso_date("transaction date"),
        "reply_by_date": iso_date("dispute due date"),
        "activity_date": _activity(),
        "card_number": pl.col("account number"),
        "card_network": _network(dispute_type),
        "reason_code": pl.col("payment brand dispute reason code"),
        "arn": pl.col("acquirer reference number"),
        # A category that is not understood is the status that is refused.
        "stage": pl.coalesce(
            pl.when(~category.is_unknown()).then(category.stage()), dispute_type.stage()
        ),
        "status": category.status(),
        "direction": _direction(amount, category.column),
        "settlement_amount": unsigned(settlement),
        "settlement_currency": pl.col("settlement currency code"),
    }


def _activity() -> pl.Expr:
    return pl.coalesce(iso_instant("activity date"), iso_date("activity date"))


def _network(dispute_type: Vocabulary) -> pl.Expr:
    method = pl.col("payment method code")
    named = method.str.to_uppercase().replace(_METHODS)
    is_check = pl.col(dispute_type.column).str.to_uppercase() == "ECP"
    return pl.when(is_check).then(pl.lit("echeck")).otherwise(named)


def _direction(amount: str, category: str) -> pl.Expr:
    """The cardholder's side, where it is given, is the opposite of the merchant's."""
    side = "cardholder debit credit indicator"
    is_returned = (pl.col(category).str.to_uppercase() == _RETURNED).fill_null(value=False)
    is_credit = is_negative(amount) & ~is_returned
    says_debit, says_credit = is_debit_word(side), is_credit_word(side)
    return credit_where(says_debit | (is_credit & ~says_credit))
