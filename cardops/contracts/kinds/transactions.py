"""Transactions: payments as processors report them, from pending to completed to refunded.

A transaction without a user takes its order's. Where the order has not arrived, it is accepted without
one: waiting would hold back its disputes. The marts take the user from the order once that is there.
"""

from collections.abc import Mapping
from typing import Final

import pandera.polars as pa
import polars as pl

from cardops.contracts.columns.cards import card_bin, card_last4
from cardops.contracts.columns.parsed import parsed_instant, parsed_minor
from cardops.contracts.columns.types import INSTANT, INTEGER, TEXT
from cardops.contracts.kinds.contract import (
    Contract,
    amount_field,
    currency_field,
    id_field,
    instant_field,
    status_field,
    text_field,
)
from cardops.contracts.kinds.profile import ORIGIN, Judgement, KindProfile, Reference
from cardops.rules.intake.files import Kind, RowFlag

STATUSES: Final = ("completed", "failed", "pending", "refunded")
# The method of a payment whose report names none.
UNKNOWN_METHOD: Final = "unknown"
_NAME: Final = {"type": ["string", "null"]}
_NESTED_METHOD: Final = {"type": "object", "properties": {"type": _NAME, "provider": _NAME}}


class TransactionRow(pa.DataFrameModel):
    """A payment as the processor reports it: pending, then completed or failed, refunded."""

    transaction_id: str = id_field("the processor's id", required=True)
    order_id: str = id_field("the order it pays", required=True)
    amount: str = amount_field("decimal text in the currency's own unit", required=True)
    currency: str = currency_field("of the amount", required=True)
    status: str = status_field("where the payment stands", STATUSES, required=True)
    created_at: str = instant_field("when it was made", required=True)
    user_id: str | None = id_field("who paid; else the order's user", required=False)
    payment_method: str | None = text_field(
        "card, wallet, …, or {type, provider} in JSON; else unknown", json_form=_NESTED_METHOD
    )
    provider: str | None = text_field("who processed it")
    card_network: str | None = text_field("the card company")
    card_number: str | None = text_field("masked or full: cut to BIN and last four on read")
    error_code: str | None = text_field("why it failed")
    merchant_id: str | None = id_field("who was paid", required=False)
    device_id: str | None = text_field("from which device")
    ip_address: str | None = text_field("from which address")
    email: str | None = text_field("of the payer")
    card_token: str | None = text_field("the processor's token for the card")
    updated_at: str | None = instant_field("when its status last changed", required=False)


def judge_transactions(
    rows: pl.DataFrame, _batch_mode: str | None, _routes: Mapping[str, str]
) -> Judgement:
    """An order is never required: one that is missing is a flag."""
    is_unknown = ~pl.col("is_known") & pl.col("order_id").is_not_null()
    return Judgement(
        rows.with_columns(user_id=pl.coalesce("user_id", "order_user")),
        {},
        {
            RowFlag.ORDER_UNKNOWN: is_unknown,
            RowFlag.CURRENCY_DIFFERS: pl.col("currency") != pl.col("order_currency"),
        },
    )


TRANSACTIONS: Final = KindProfile(
    subject="transaction",
    contract=Contract(
        kind=Kind("transactions"),
        model=TransactionRow,
        aliases={"amount": ("amt",), "user_id": ("customer_id",), "created_at": ("timestamp",)},
    ),
    reference=Reference(
        Kind("orders"), "order_id", {"user_id": "order_user", "currency": "order_currency"}
    ),
    judge=judge_transactions,
    lake_table=pl.Schema(
        {
            **ORIGIN,
            **dict.fromkeys(("transaction_id", "order_id", "user_id"), TEXT),
            "amount_minor": INTEGER,
            **dict.fromkeys(("currency", "payment_method", "provider", "status"), TEXT),
            **dict.fromkeys(("error_code", "card_network", "card_bin", "card_last4"), TEXT),
            **dict.fromkeys(
                ("merchant_id", "device_id", "ip_address", "email", "card_token"), TEXT
            ),
            **dict.fromkeys(("created_at", "updated_at"), INSTANT),
        }
    ),
    lake_values={
        "amount_minor": parsed_minor("amount"),
        "payment_method": pl.col("payment_method").fill_null(UNKNOWN_METHOD),
        "card_bin": card_bin("card_number"),
        "card_last4": card_last4("card_number"),
        "created_at": parsed_instant("created_at"),
        "updated_at": parsed_instant("updated_at"),
    },
    typed_text=("error_code", "device_id", "card_token"),
    identity=("transaction_id",),
    immutable=("order_id", "amount_minor", "currency"),
    # The user may be the order's, which arrives before or after.
    not_content=frozenset({"user_id"}),
    description=(
        "Transactions as processors report them, every version; invalid rows are quarantined."
    ),
    job_description="Ingest transaction files into the lake.",
)
