"""Reconciliation over whole tables: the comparisons of cardops.rules.reconciliation, vectorised.

Belongs here: arranging the figures of store and lake in one column a side, and selecting the rows
that break. Does not belong here: reading either (ports), or what is compared (rules).
"""

from collections.abc import Iterable, Sequence
from typing import Final

import polars as pl

from cardops.contracts.lake.tables import RECONCILIATION_BREAKS
from cardops.rules.reconciliation import Comparison, Side

ACCOUNT: Final = ("program", "user_id", "currency")
# The columns of ports.Books.accounts.
BOOKS_COLUMNS: Final = pl.Schema(
    {
        **dict.fromkeys(ACCOUNT, pl.String()),
        **dict.fromkeys(("available_minor", "held_minor", "ledger_seq"), pl.Int64()),
        **dict.fromkeys(("deposits_minor", "recalls_minor"), pl.Int64()),
        **dict.fromkeys(("spends_minor", "reversals_minor", "open_holds_minor"), pl.Int64()),
    }
)
# The columns of ports.Books.deposit_files.
DEPOSIT_FILE_COLUMNS: Final = pl.Schema(
    {
        "program": pl.String(),
        "intake_id": pl.Int64(),
        "currency": pl.String(),
        "said_minor": pl.Int64(),
        "posted_minor": pl.Int64(),
    }
)


def store_sides(books: pl.DataFrame) -> pl.DataFrame:
    """One column for each side that the store knows of an account."""
    postings = (
        pl.col("deposits_minor")
        - pl.col("recalls_minor")
        - pl.col("spends_minor")
        + pl.col("reversals_minor")
    )
    return books.select(
        *ACCOUNT,
        (pl.col("available_minor") + pl.col("held_minor")).alias(Side.BALANCES),
        postings.alias(Side.POSTINGS),
        pl.col("held_minor").alias(Side.HELD_BALANCES),
        pl.col("open_holds_minor").alias(Side.OPEN_HOLDS),
        pl.col("available_minor").alias(Side.AVAILABLE_BALANCES),
        (-pl.col("recalls_minor")).alias(Side.OBLIGATIONS),
    )


def file_sides(files: pl.DataFrame, lake_deposits: pl.LazyFrame | None) -> pl.DataFrame:
    """One row for each applied deposit file and currency, one column for each side of it."""
    by_file = ["program", "intake_id", "currency"]
    sums = (
        pl.LazyFrame(schema={**dict(DEPOSIT_FILE_COLUMNS), Side.LAKE_DEPOSITS: pl.Int64()})
        if lake_deposits is None
        else lake_deposits.group_by(by_file).agg(
            pl.col("amount_minor").sum().alias(Side.LAKE_DEPOSITS)
        )
    )
    return (
        files.lazy()
        .join(sums, on=by_file, how="left")
        .select(
            "program",
            pl.lit(None, pl.String()).alias("user_id"),
            "currency",
            pl.col("said_minor").alias(Side.INTAKE_FILES),
            pl.col("posted_minor").alias(Side.DEPOSIT_EVENTS),
            pl.col(Side.LAKE_DEPOSITS).fill_null(0),
        )
        .collect()
    )


def breaks_in(sides: pl.DataFrame, comparisons: Iterable[Comparison]) -> pl.DataFrame:
    """One row a break, with the columns of the lake's table `reconciliation_breaks`."""
    found = [_breaks_of(sides, comparison) for comparison in comparisons]
    return pl.concat([pl.DataFrame(schema=RECONCILIATION_BREAKS), *found])


def closing_balances(books: pl.DataFrame) -> pl.DataFrame:
    """The accounts as the lake's table `balances` has them."""
    return books.select(
        *ACCOUNT,
        "available_minor",
        "held_minor",
        (pl.col("available_minor") + pl.col("held_minor")).alias("ledger_minor"),
        "ledger_seq",
    )


def totals_by_currency(books: pl.DataFrame) -> pl.DataFrame:
    """Deposits less recalls, spends, reversals and balances, which satisfy the identity."""
    return (
        books.group_by("currency")
        .agg(
            (pl.col("deposits_minor") - pl.col("recalls_minor")).sum().alias("deposits"),
            pl.col("spends_minor").sum().alias("spends"),
            pl.col("reversals_minor").sum().alias("reversals"),
            (pl.col("available_minor") + pl.col("held_minor")).sum().alias("balances"),
        )
        .sort("currency")
    )


def _breaks_of(sides: pl.DataFrame, comparison: Comparison) -> pl.DataFrame:
    a, b = pl.col(comparison.side_a), pl.col(comparison.side_b)
    return sides.filter(a < b if comparison.is_floor else a != b).select(
        *ACCOUNT,
        pl.lit(comparison.side_a.value).alias("side_a"),
        pl.lit(comparison.side_b.value).alias("side_b"),
        a.alias("amount_a_minor"),
        b.alias("amount_b_minor"),
    )


def join_frames(chunks: Iterable[pl.DataFrame], schema: pl.Schema) -> pl.DataFrame:
    """The chunks as one frame, with the schema's columns also where there is no chunk."""
    frames: Sequence[pl.DataFrame] = [pl.DataFrame(schema=schema), *chunks]
    return pl.concat(frames)
