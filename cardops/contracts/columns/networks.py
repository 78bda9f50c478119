"""The network, stage, reason and case of chargebacks, as whole columns.

Belongs here: the rules of cardops.rules asked once for each distinct evidence, and joined back.
"""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from cardops.rules.chargebacks.case_numbers import derived_case_number
from cardops.rules.chargebacks.disputes import stage_of
from cardops.rules.chargebacks.reason_codes import find_reason
from cardops.rules.chargebacks.routing import MIXED, NetworkEvidence, Routed, route_row

# Ranges are told apart by at most eight digits; more would make every card its own evidence.
_LEADING_DIGITS: Final = 8
_PAID: Final = ("paid_network", "paid_provider")
_EVIDENCE: Final = ("card_network", "leading", *_PAID, "reason_code")
_TEXT: Final = pl.String()


def with_network(chunk: pl.DataFrame, *, is_mixed: bool = False) -> pl.DataFrame:
    """Adds the chargeback table's own words: `network`, `network_source`, `stage` and so on.

    `scheme` is the card scheme that no contract routes. An unknown stage is null.
    `is_mixed`: one destination takes all, so a network is told where the row itself names one,
    and is `mixed` elsewhere. The transaction is not asked: arriving later, it would make another
    dispute of the same row.
    """
    signs = pl.col("card_number").str.replace_all("[ -]", "")
    leading = signs.str.extract("^([0-9]+)").str.head(_LEADING_DIGITS)
    staged = chunk.rename({"stage": "told_stage"}).with_columns(leading=leading)
    asked = staged.with_columns(_silent(*_PAID)) if is_mixed else staged
    routed = _looked_up(asked, _EVIDENCE, _routed, ("network", "network_source", "scheme"))
    if is_mixed:
        routed = routed.with_columns(pl.col("network").fill_null(MIXED), *_silent("scheme"))
    known = _looked_up(routed, ("told_stage",), _stage, ("stage",))
    explained = _looked_up(
        known, ("network", "reason_code"), _reason, ("own_code", "reason_category")
    )
    return _with_case(explained).with_columns(
        pl.coalesce("own_code", "reason_code").alias("reason_code"),
        pl.lit(1, pl.Int64).alias("action_sequence"),
        pl.coalesce("paid_currency", "currency").alias("transaction_currency"),
    )


def _silent(*names: str) -> list[pl.Expr]:
    return [pl.lit(None, _TEXT).alias(name) for name in names]


def _with_case(chunk: pl.DataFrame) -> pl.DataFrame:
    told = ("network", "transaction_id", "dispute_date", "reason_code", "chargeback_reason")
    missing = pl.col("case_number").is_null()
    derived = (
        pl.when(missing)
        .then(pl.struct(told).map_elements(_case, return_dtype=_TEXT))
        .otherwise(pl.col("case_number"))
    )
    if chunk["case_number"].null_count() == 0:
        return chunk
    return chunk.with_columns(case_number=derived)


def _looked_up(
    chunk: pl.DataFrame, keys: tuple[str, ...], find: Any, names: tuple[str, ...]
) -> pl.DataFrame:
    """Ask a rule once for each distinct key and join its words back."""
    distinct = chunk.select(keys).unique()
    found = [find(row) for row in distinct.iter_rows(named=True)]
    table = distinct.with_columns(
        pl.Series(name, [row[place] for row in found], dtype=_TEXT)
        for place, name in enumerate(names)
    )
    return chunk.join(table, on=list(keys), how="left", nulls_equal=True, maintain_order="left")


def _routed(row: Mapping[str, str | None]) -> tuple[str | None, ...]:
    evidence = NetworkEvidence(
        card_network=row["card_network"],
        card_number=row["leading"],
        transaction_network=row["paid_network"],
        transaction_provider=row["paid_provider"],
        reason_code=row["reason_code"],
    )
    match route_row(evidence):
        case Routed(network=network, source=source):
            return network, str(source), None
        case unroutable:
            return None, None, unroutable.scheme


def _stage(row: Mapping[str, str | None]) -> tuple[str | None]:
    stage = stage_of(row["told_stage"])
    return (str(stage) if stage else None,)


def _reason(row: Mapping[str, str | None]) -> tuple[str | None, ...]:
    network = row["network"]
    reason = find_reason(network, row["reason_code"]) if network else None
    return (reason.code, reason.category) if reason else (None, None)


def _case(row: Mapping[str, str | None]) -> str:
    return derived_case_number(
        row["network"] or "",
        row["transaction_id"] or "",
        row["dispute_date"] or "",
        row["reason_code"] or row["chargeback_reason"] or "",
    )
