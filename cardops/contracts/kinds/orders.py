"""Orders: what users ordered from a shop, and whether it was paid."""

from collections.abc import Mapping
from typing import Final

import pandera.polars as pa
import polars as pl

from cardops.contracts.columns.items import do_not_add_up, items_summary
from cardops.contracts.columns.money import amount_minor
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
from cardops.contracts.kinds.profile import ORIGIN, Judgement, KindProfile
from cardops.rules.intake.files import Kind, RowFlag

STATUSES: Final = ("paid", "failed", "refunded", "pending")
_LIST_OF_ITEMS: Final = {"type": "array", "items": {"type": "object"}}


class OrderRow(pa.DataFrameModel):
    """What a user ordered, and whether it was paid."""

    order_id: str = id_field("the shop's id", required=True)
    user_id: str = id_field("who ordered", required=True)
    amount: str = amount_field("decimal text in the currency's own unit", required=True)
    currency: str = currency_field("of the amount", required=True)
    status: str = status_field("where the order stands", STATUSES, required=True)
    created_at: str = instant_field("when it was made", required=True)
    items: str | None = text_field(
        "[{product_id, quantity, unit_price}] in JSON", json_form=_LIST_OF_ITEMS
    )
    merchant_id: str | None = id_field("who sold", required=False)
    shipping_country: str | None = text_field("where to")
    updated_at: str | None = instant_field("when its status last changed", required=False)


def judge_orders(
    rows: pl.DataFrame, _batch_mode: str | None, _routes: Mapping[str, str]
) -> Judgement:
    """Items whose sum is not the order's amount are a flag."""
    flag = do_not_add_up("items", amount_minor("amount", "currency"), "currency")
    return Judgement(rows, flags={RowFlag.ITEMS_DO_NOT_ADD_UP: flag})


_ITEMS: Final = items_summary("items", "currency")

ORDERS: Final = KindProfile(
    subject="order",
    contract=Contract(
        kind=Kind("orders"),
        model=OrderRow,
        aliases={
            "amount": ("total_amount", "amt"),
            "user_id": ("customer_id",),
            "created_at": ("timestamp",),
            "status": ("payment_status",),
        },
    ),
    judge=judge_orders,
    lake_table=pl.Schema(
        {
            **ORIGIN,
            **dict.fromkeys(("order_id", "user_id"), TEXT),
            "amount_minor": INTEGER,
            **dict.fromkeys(("currency", "status", "merchant_id", "shipping_country"), TEXT),
            **dict.fromkeys(("items_count", "items_total_minor"), INTEGER),
            **dict.fromkeys(("created_at", "updated_at"), INSTANT),
        }
    ),
    lake_values={
        "amount_minor": parsed_minor("amount"),
        "items_count": _ITEMS.struct.field("items_count"),
        "items_total_minor": _ITEMS.struct.field("items_total_minor"),
        "created_at": parsed_instant("created_at"),
        "updated_at": parsed_instant("updated_at"),
    },
    identity=("order_id",),
    immutable=("user_id", "currency"),
    description="Orders as shops report them, every version; invalid rows are quarantined.",
    job_description="Ingest order files into the lake.",
)
