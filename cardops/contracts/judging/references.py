"""What a row takes from other tables, and what is said where they do not agree.

Belongs here: orders for transactions, transactions for chargebacks. A reference is required only
for what is taken from it; otherwise its absence is a flag.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from cardops.contracts.columns.items import do_not_add_up
from cardops.contracts.columns.money import amount_minor
from cardops.contracts.columns.networks import with_network
from cardops.rules.intake.files import Kind, RowFlag, RowReason


@dataclass(frozen=True, slots=True)
class Judgement:
    """A chunk with its references beside it, and what they add to the row's own judgement."""

    chunk: pl.DataFrame
    reasons: Mapping[RowReason, pl.Expr] = field(default_factory=dict)
    flags: Mapping[RowFlag, pl.Expr] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reference:
    """The lake table a kind refers to, its key, and lake column -> name beside the chunk."""

    table: str
    key: str
    taken: Mapping[str, str]


REFERENCES: Final[Mapping[Kind, Reference]] = {
    Kind.TRANSACTIONS: Reference(
        "orders", "order_id", {"user_id": "order_user", "currency": "order_currency"}
    ),
    Kind.CHARGEBACKS: Reference(
        "transactions",
        "transaction_id",
        {
            "currency": "paid_currency",
            "amount_minor": "paid_minor",
            "card_network": "paid_network",
            "provider": "paid_provider",
            "payment_method": "payment_method",
        },
    ),
}


def referenced(
    lake_table: pl.LazyFrame | None, reference: Reference, program: str, ids: pl.Series
) -> pl.DataFrame:
    """The latest version of each referenced row, by the reference's key; ids it lacks are absent."""
    names = {"is_known": pl.Boolean(), reference.key: pl.String()}
    if lake_table is None:
        taken = {
            name: pl.Int64() if name == "paid_minor" else pl.String()
            for name in reference.taken.values()
        }
        return pl.DataFrame(schema={**names, **taken})
    wanted = ids.unique().rename(reference.key).to_frame().lazy()
    # Latest by its own word, else by arrival.
    order = ["updated_at", "intake_id", "row_number"]
    return (
        lake_table.filter(pl.col("program") == program)
        .join(wanted, on=reference.key, how="semi")
        .select(reference.key, *order, *reference.taken, pl.lit(value=True).alias("is_known"))
        .sort(order, nulls_last=False)
        .unique(reference.key, keep="last")
        .rename(dict(reference.taken))
        .drop(order)
        .collect()
    )


def with_references(
    chunk: pl.DataFrame, kind: Kind, known: pl.DataFrame | None, *, is_mixed: bool = False
) -> Judgement:
    """The chunk joined with what it refers to, its own cells filled from there.

    `is_mixed`: chargebacks of a size-balanced batch, which need no network.
    """
    if kind is Kind.ORDERS:
        flag = do_not_add_up("items", amount_minor("amount", "currency"), "currency")
        return Judgement(chunk, flags={RowFlag.ITEMS_DO_NOT_ADD_UP: flag})
    if known is None:
        return Judgement(chunk)
    key = REFERENCES[kind].key
    joined = chunk.join(known, on=key, how="left", maintain_order="left").with_columns(
        pl.col("is_known").fill_null(value=False)
    )
    if kind is Kind.TRANSACTIONS:
        return _transactions(joined)
    return _chargebacks(joined, is_mixed=is_mixed)


def _transactions(joined: pl.DataFrame) -> Judgement:
    is_unknown = ~pl.col("is_known") & pl.col("order_id").is_not_null()
    return Judgement(
        joined.with_columns(user_id=pl.coalesce("user_id", "order_user")),
        {RowReason.ORPHANED_REFERENCE: pl.col("user_id").is_null() & is_unknown},
        {
            RowFlag.ORDER_UNKNOWN: is_unknown,
            RowFlag.CURRENCY_DIFFERS: pl.col("currency") != pl.col("order_currency"),
        },
    )


def _chargebacks(joined: pl.DataFrame, *, is_mixed: bool) -> Judgement:
    filled = joined.with_columns(
        pl.coalesce("currency", "paid_currency").alias("currency"),
        pl.col("status").str.to_lowercase(),
    )
    routed = with_network(filled, is_mixed=is_mixed)
    is_unknown = ~pl.col("is_known") & pl.col("transaction_id").is_not_null()
    is_unnamed = pl.col("network").is_null() & pl.col("scheme").is_null()
    is_unroutable = pl.col("network").is_null() & (pl.col("is_known") | ~is_unnamed)
    same_currency = pl.col("currency") == pl.col("paid_currency")
    whole_minor = pl.coalesce(
        pl.when(same_currency).then("paid_minor"), amount_minor("transaction_amount", "currency")
    )
    return Judgement(
        routed,
        {
            RowReason.INVALID_STATUS: pl.col("stage").is_null(),
            RowReason.ORPHANED_REFERENCE: is_unknown & (pl.col("currency").is_null() | is_unnamed),
            RowReason.UNROUTABLE_NETWORK: is_unroutable,
        },
        {
            RowFlag.TRANSACTION_UNKNOWN: is_unknown,
            RowFlag.CURRENCY_DIFFERS: ~same_currency,
            RowFlag.AMOUNT_EXCEEDS_TRANSACTION: amount_minor("chargeback_amount", "currency")
            > whole_minor,
        },
    )
