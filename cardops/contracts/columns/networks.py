"""The network, stage, reason and case of chargebacks, as whole columns.

Belongs here: rules of cardops.rules.chargebacks, each applied once to every distinct value.
"""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import polars as pl

from cardops.contracts.columns.money import amount_minor
from cardops.contracts.columns.types import INSTANT
from cardops.rules.card_numbers import BIN_DIGITS
from cardops.rules.chargebacks.case_numbers import derived_case_number
from cardops.rules.chargebacks.disputes import stage_of
from cardops.rules.chargebacks.reason_codes import find_reason
from cardops.rules.chargebacks.routing import MIXED, NetworkEvidence, Routed, route_row

# BIN ranges differ within eight digits; more digits would make every card a case of its own.
_LEADING_DIGITS: Final = 8
# Leading digits before a mask, which has more than one character.
_MASKED: Final = r"^([0-9]+)[xX*#.•_]{2}"
_PAID: Final = ("paid_network", "paid_provider")
_EVIDENCE: Final = ("card_network", "leading", *_PAID, "reason_code")
_TEXT: Final = pl.String()
_NO_ROUTES: Final[Mapping[str, str]] = MappingProxyType({})


def with_network(
    chunk: pl.DataFrame, *, is_size_balanced: bool = False, routes: Mapping[str, str] = _NO_ROUTES
) -> pl.DataFrame:
    """Adds the chargeback table's derived columns: `network`, `network_source`, `stage` and so on.

    `scheme` is a card scheme that no contract routes. An unknown stage is null.
    `is_size_balanced`: one destination takes all files of the batch, so a row that names no network
    gets `mixed`. The transaction's network is not used then: a transaction that arrives later would
    make another dispute of the same row. `routes`: the program's, scheme -> card company.
    """
    staged = chunk.rename({"stage": "stage_text"}).with_columns(leading=_leading_digits())
    evidence = staged.with_columns(_nulls(*_PAID)) if is_size_balanced else staged
    routed = _looked_up(
        evidence, _EVIDENCE, partial(_routed, routes), ("network", "network_source", "scheme")
    )
    if is_size_balanced:
        routed = routed.with_columns(pl.col("network").fill_null(MIXED), *_nulls("scheme"))
    with_stage = _looked_up(routed, ("stage_text",), _stage, ("stage",))
    with_reason = _looked_up(
        with_stage, ("network", "reason_code"), _reason, ("network_code", "reason_category")
    )
    return _with_case(with_reason).with_columns(
        pl.coalesce("network_code", "reason_code").alias("reason_code"),
        pl.lit(1, pl.Int64).alias("action_sequence"),
        # Its place among the dispute's steps decides over these.
        pl.lit(None, pl.Date()).alias("reply_by_on"),
        pl.lit(None, pl.Int64()).alias("response_days"),
        pl.lit(None, pl.String()).alias("response_days_source"),
        pl.lit(None, _TEXT).alias("clock"),
        pl.lit(None, INSTANT).alias("happened_at"),
        pl.coalesce("transaction_currency", "paid_currency", "currency").alias(
            "transaction_currency"
        ),
    )


def with_card_company(
    rows: pl.DataFrame, *, routes: Mapping[str, str] = _NO_ROUTES
) -> pl.DataFrame:
    """Adds `network`, `network_source` and `scheme` to rows that have no stage and no reason code."""
    evidence = rows.with_columns(leading=_leading_digits(), reason_code=pl.lit(None, _TEXT))
    names = ("network", "network_source", "scheme")
    return _looked_up(evidence, _EVIDENCE, partial(_routed, routes), names)


def _leading_digits() -> pl.Expr:
    card_number = pl.col("card_number").str.replace_all("[ -]", "")
    # A few digits without a mask behind them are the end of a number.
    digits = pl.coalesce(
        card_number.str.extract(f"^([0-9]{{{BIN_DIGITS},}})"), card_number.str.extract(_MASKED)
    )
    return digits.str.head(_LEADING_DIGITS)


def _nulls(*names: str) -> list[pl.Expr]:
    return [pl.lit(None, _TEXT).alias(name) for name in names]


def _with_case(chunk: pl.DataFrame) -> pl.DataFrame:
    if chunk["case_number"].null_count() == 0:
        return chunk
    reason = pl.coalesce("network_code", "reason_code", "chargeback_reason").alias("reason")
    identity = ("network", "transaction_id", "dispute_date", reason)
    minor = amount_minor("chargeback_amount", "currency").alias("amount_minor")
    derived = pl.struct(*identity, "currency", minor).map_elements(_case, return_dtype=_TEXT)
    missing = pl.col("case_number").is_null()
    return chunk.with_columns(
        case_number=pl.when(missing).then(derived).otherwise(pl.col("case_number"))
    )


def _looked_up(
    chunk: pl.DataFrame, keys: tuple[str, ...], find: Any, names: tuple[str, ...]
) -> pl.DataFrame:
    """Apply a rule once for each distinct key and join what it returns."""
    distinct = chunk.select(keys).unique()
    found = [find(row) for row in distinct.iter_rows(named=True)]
    table = distinct.with_columns(
        pl.Series(name, [row[index] for row in found], dtype=_TEXT)
        for index, name in enumerate(names)
    )
    return chunk.join(table, on=list(keys), how="left", nulls_equal=True, maintain_order="left")


def _routed(routes: Mapping[str, str], row: Mapping[str, str | None]) -> tuple[str | None, ...]:
    evidence = NetworkEvidence(
        card_network=row["card_network"],
        card_number=row["leading"],
        transaction_network=row["paid_network"],
        transaction_provider=row["paid_provider"],
        reason_code=row["reason_code"],
    )
    match route_row(evidence, routes):
        case Routed(network=network, source=source):
            return network, str(source), None
        case unroutable:
            return None, None, unroutable.scheme


def _stage(row: Mapping[str, str | None]) -> tuple[str | None]:
    stage = stage_of(row["stage_text"])
    return (str(stage) if stage else None,)


def _reason(row: Mapping[str, str | None]) -> tuple[str | None, ...]:
    network = row["network"]
    reason = find_reason(network, row["reason_code"]) if network else None
    return (reason.code, reason.category) if reason else (None, None)


def _case(row: Mapping[str, Any]) -> str:
    return derived_case_number(
        row["network"] or "",
        row["transaction_id"] or "",
        row["dispute_date"] or "",
        row["reason"] or "",
        amount_minor=row["amount_minor"],  # guard: partial-disputes-apart
        currency=row["currency"] or "",
    )
