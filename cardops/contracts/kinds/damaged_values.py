"""Values of chargebacks that a spreadsheet or a mistake destroyed, and that the row can do without.

Belongs here: which values are left out, with the flag `damaged_value`, because quarantining the row
would lose a deadline. Ids that a dispute is known by are never left out.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

from cardops.contracts.columns.money import amount_failures
from cardops.contracts.judging.checks import currency_failures, id_failures
from cardops.rules.intake.damage import SPREADSHEET_NUMBER, SPREADSHEET_TIME

HAS_DAMAGE: Final = "has_damage"
HAS_NO_TRANSACTION: Final = "has_no_transaction"


def without_damaged_values(
    rows: pl.DataFrame,
    *,
    ids: tuple[str, ...],
    amounts: Mapping[str, str],
    dates: tuple[str, ...],
) -> pl.DataFrame:
    """The rows without damaged optional values, with `has_damage` and `has_no_transaction`.

    `ids` and `dates`: optional columns. `amounts`: optional amounts -> their currencies. Of dates only
    what a spreadsheet leaves of them is left out; others are for their sender to mend. A transaction id
    in the notation of a spreadsheet is left out where the case number identifies the dispute and the
    row has a currency: its column repeats the case number then, and must be null in the lake.
    """
    damaged = {name: _is_invalid_id(name) for name in ids}
    damaged |= {name: _is_spreadsheet_time(name) for name in dates}
    for amount, currency in amounts.items():
        is_wrong = pl.any_horizontal(
            *amount_failures(amount, currency).values(), *currency_failures(currency).values()
        )
        damaged |= {amount: is_wrong, currency: is_wrong}
    is_lost = _is_from_spreadsheet("transaction_id") & ~_is_invalid_id("case_number")
    is_lost &= pl.col("case_number").is_not_null() & pl.col("currency").is_not_null()
    marked = rows.with_columns(
        pl.any_horizontal(is_lost, *damaged.values()).alias(HAS_DAMAGE),
        is_lost.alias(HAS_NO_TRANSACTION),
    )
    if not marked[HAS_DAMAGE].any():
        return marked
    return marked.with_columns(
        pl.when(is_lost).then("case_number").otherwise("transaction_id").alias("transaction_id"),
        *(pl.when(~is_wrong).then(name).alias(name) for name, is_wrong in damaged.items()),
    )


def _is_invalid_id(column: str) -> pl.Expr:
    return pl.any_horizontal(*id_failures(column).values())


def _is_from_spreadsheet(column: str) -> pl.Expr:
    return pl.col(column).str.contains(f"^{SPREADSHEET_NUMBER}$").fill_null(value=False)


def _is_spreadsheet_time(column: str) -> pl.Expr:
    return pl.col(column).str.contains(f"^{SPREADSHEET_TIME}$").fill_null(value=False)
