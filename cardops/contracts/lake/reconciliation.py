"""Reconciliation over whole tables: the comparisons of cardops.rules.reconciliation, vectorised.

Belongs here: arranging the figures of store and lake in one column a side, and selecting the rows
that break. Does not belong here: reading either (ports), or what is compared (rules).
"""

from collections.abc import Iterable, Sequence
from typing import Final

import polars as pl

from cardops.contracts.lake.tables import BALANCES, RECONCILIATION_BREAKS
from cardops.rules.reconciliation.comparisons import (
    CLOSING_BALANCES,
    COMPARISONS,
    CREDITED_ROWS,
    FILE_COMPARISONS,
    LAKE_ROWS,
    Comparison,
    Side,
)

ACCOUNT: Final = ("program", "user_id", "currency")
_ACCOUNT_COLUMNS: Final = dict.fromkeys(ACCOUNT, pl.String())
# One balance fits i64; a sum of several amounts need not.
_SUM: Final = pl.Int128()
# The columns of ports.Books.accounts.
BOOKS_COLUMNS: Final = pl.Schema(
    {
        **_ACCOUNT_COLUMNS,
        **dict.fromkeys(("available_minor", "held_minor"), _SUM),
        "ledger_seq": pl.Int64(),
        **dict.fromkeys(("deposits_minor", "recalls_minor"), _SUM),
        **dict.fromkeys(("spends_minor", "reversals_minor", "open_holds_minor"), _SUM),
        **dict.fromkeys(("reinstatements_minor", "earlier_obligations_minor"), _SUM),
        "taken_back_minor": _SUM,
    }
)
# The columns of ports.Books.deposit_files.
DEPOSIT_FILE_COLUMNS: Final = pl.Schema(
    {
        "program": pl.String(),
        "intake_id": pl.Int64(),
        "currency": pl.String(),
        "key": pl.String(),
        "status": pl.String(),
        "business_date": pl.Date(),
        **dict.fromkeys(("said_minor", "posted_minor"), _SUM),
        **dict.fromkeys(("accepted_rows", "credited_rows"), pl.Int64()),
    }
)
# The columns of ports.Books.credited_rows; `occurred_micros` since 1970 in UTC.
CREDITED_COLUMNS: Final = pl.Schema(
    {
        "row_number": pl.Int64(),
        "deposit_id": pl.String(),
        "user_id": pl.String(),
        "currency": pl.String(),
        "amount_minor": pl.Int64(),
        "occurred_micros": pl.Int64(),
        "is_standing": pl.Boolean(),
    }
)
# What a named check of the store found: the columns of ports.Books.breaks.
FOUND_COLUMNS: Final = pl.Schema(
    {
        "check_name": pl.String(),
        **_ACCOUNT_COLUMNS,
        "subject": pl.String(),
        **dict.fromkeys(("amount_a_minor", "amount_b_minor"), _SUM),
    }
)
_BY_CHECK: Final = {comparison.check: comparison for comparison in COMPARISONS}
_LEDGER: Final = pl.col("available_minor") + pl.col("held_minor")
# A file in another state may be changing at this moment, or has checks of its own.
_COUNTED: Final = ("applied", "recalled")


_FIGURES: Final = (
    "said_minor",
    "posted_minor",
    Side.LAKE_DEPOSITS.value,
    "accepted_rows",
    "credited_rows",
    "lake_rows",
)


def store_sides(books: pl.DataFrame, opening: pl.DataFrame | None = None) -> pl.DataFrame:
    """One column for each side that the store knows of an account.

    `opening`: closing balances of the date before the first posting in the books, if not of all.
    """
    if opening is None:
        opened = books.with_columns(opening_minor=pl.lit(0, _SUM))
    else:
        balances = opening.select(
            *ACCOUNT, pl.col("ledger_minor").cast(_SUM).alias("opening_minor")
        )
        opened = books.join(balances, on=ACCOUNT, how="full", coalesce=True)
        opened = opened.with_columns(pl.exclude(ACCOUNT).fill_null(0))
    postings = (
        pl.col("opening_minor")
        + pl.col("deposits_minor")
        - pl.col("recalls_minor")
        + pl.col("reinstatements_minor")
        - pl.col("spends_minor")
        + pl.col("reversals_minor")
    )
    # Credits of disputes are reversals; one that was taken back may have been spent before.
    obligations = pl.sum_horizontal(
        "earlier_obligations_minor", "recalls_minor", "taken_back_minor"
    )
    return opened.select(
        *ACCOUNT,
        _LEDGER.alias(Side.BALANCES),
        postings.alias(Side.POSTINGS),
        pl.col("held_minor").alias(Side.HELD_BALANCES),
        pl.col("open_holds_minor").alias(Side.OPEN_HOLDS),
        pl.col("available_minor").alias(Side.AVAILABLE_BALANCES),
        (pl.col("reinstatements_minor") - obligations).alias(Side.OBLIGATIONS),
    )


def file_breaks(files: pl.DataFrame, lake_deposits: pl.LazyFrame | None) -> pl.DataFrame:
    """Breaks of deposit files: control totals, credited rows and the lake, joined both ways.

    `files` has DEPOSIT_FILE_COLUMNS; `lake_deposits` is what the lake has of these files, and of any
    that the store does not know.
    """
    by_file = ["program", "intake_id", "currency"]
    sums = (
        pl.LazyFrame(
            schema={name: DEPOSIT_FILE_COLUMNS[name] for name in by_file}
            | {Side.LAKE_DEPOSITS.value: _SUM, "lake_rows": pl.Int64()}
        )
        if lake_deposits is None
        else lake_deposits.group_by(by_file).agg(
            pl.col("amount_minor").cast(_SUM).sum().alias(Side.LAKE_DEPOSITS),
            pl.len().cast(pl.Int64).alias("lake_rows"),
        )
    )
    known = files.select("program", "intake_id", "key", "status").unique()
    joined = (
        files.lazy()
        .drop("key", "status")
        .drop_nulls("currency")
        .join(sums, on=by_file, how="full", coalesce=True)
        .join(known.lazy(), on=["program", "intake_id"], how="left")
        .with_columns(
            pl.col(_FIGURES).fill_null(0),
            pl.lit(None, pl.String).alias("user_id"),
            pl.format(
                "intake file {} ({})", "intake_id", pl.col("key").fill_null("unknown to the store")
            ).alias("subject"),
            # A file that the lake alone has must have been applied once.
            pl.col("status").fill_null(_COUNTED[0]),
        )
        .with_columns(
            # Nothing may stand of a recalled file, whatever its counts were before.
            pl.when(pl.col("status") == "recalled").then(0).otherwise(pl.col(name)).alias(name)
            for name in ("said_minor", "accepted_rows")
        )
        .rename({"said_minor": Side.INTAKE_FILES, "posted_minor": Side.DEPOSIT_EVENTS})
        .collect()
    )
    counted = joined.filter(pl.col("status").is_in(_COUNTED))
    return pl.concat([breaks_in(counted, FILE_COMPARISONS), _row_breaks(counted)])


def _row_breaks(counted: pl.DataFrame) -> pl.DataFrame:
    """Rows accepted, credited and in the lake, of each whole file."""
    files = counted.group_by("program", "intake_id", "subject").agg(
        pl.col("accepted_rows").max(), pl.col("credited_rows", "lake_rows").sum()
    )
    sides = files.with_columns(
        pl.lit(None, pl.String).alias("user_id"),
        pl.lit(None, pl.String).alias("currency"),
        pl.col("accepted_rows").alias(Side.INTAKE_FILES),
        pl.col("credited_rows").alias(Side.DEPOSIT_EVENTS),
        pl.col("lake_rows").alias(Side.LAKE_DEPOSITS),
    )
    return breaks_in(sides, (CREDITED_ROWS, LAKE_ROWS))


def closing_balance_breaks(
    balances: pl.DataFrame, books: pl.DataFrame, *, is_closed: bool
) -> pl.DataFrame:
    """Breaks of accounts whose closing balance in the lake is not the store's.

    On a date that is not closed, an account that has moved since its balance was written is left out.
    """
    lake = balances.select(*ACCOUNT, "ledger_seq", pl.col("ledger_minor").alias(Side.LAKE_BALANCES))
    store = books.select(
        *ACCOUNT,
        pl.col("ledger_seq").alias("store_seq"),
        _LEDGER.alias(Side.BALANCES),
    )
    both = lake.join(store, on=ACCOUNT, how="full", coalesce=True)
    # One that the lake does not have was opened later.
    has_moved = pl.col("ledger_seq").is_null() | (pl.col("store_seq") > pl.col("ledger_seq"))
    sides = both.filter(~has_moved.fill_null(value=False) | is_closed).with_columns(
        pl.col(Side.LAKE_BALANCES, Side.BALANCES).fill_null(0)
    )
    return breaks_in(sides, (CLOSING_BALANCES,))


def named_breaks(found: pl.DataFrame) -> pl.DataFrame:
    """What named checks found, with the columns of the lake's table `reconciliation_breaks`."""
    sides = pl.DataFrame(
        [
            (item.check, item.side_a.value, item.side_b.value, item.unit.value)
            for item in _BY_CHECK.values()
        ],
        schema=["check_name", "side_a", "side_b", "unit"],
        orient="row",
    )
    named = found.join(sides, on="check_name", how="left", maintain_order="left")
    return named.select(
        pl.col(name).cast(column_type) for name, column_type in RECONCILIATION_BREAKS.items()
    )


def breaks_in(sides: pl.DataFrame, comparisons: Iterable[Comparison]) -> pl.DataFrame:
    """One row a break, with the columns of the lake's table `reconciliation_breaks`."""
    found = [_breaks_of(sides, comparison) for comparison in comparisons]
    return pl.concat([pl.DataFrame(schema=RECONCILIATION_BREAKS), *found])


def closing_balances(books: pl.DataFrame) -> pl.DataFrame:
    """The accounts as the lake's table `balances` has them."""
    accounts = books.with_columns(_LEDGER.alias("ledger_minor"))
    return accounts.select(pl.col(name).cast(kind) for name, kind in BALANCES.items())


def totals_by_currency(books: pl.DataFrame) -> pl.DataFrame:
    """Deposits less recalls, spends, reversals and balances, which satisfy the identity.

    Where the books are those since a date, so are the first three.
    """
    return (
        books.group_by("currency")
        .agg(
            (pl.col("deposits_minor") - pl.col("recalls_minor") + pl.col("reinstatements_minor"))
            .sum()
            .alias("deposits"),
            pl.col("spends_minor").sum().alias("spends"),
            pl.col("reversals_minor").sum().alias("reversals"),
            _LEDGER.sum().alias("balances"),
        )
        .sort("currency")
    )


def _breaks_of(sides: pl.DataFrame, comparison: Comparison) -> pl.DataFrame:
    a, b = pl.col(comparison.side_a), pl.col(comparison.side_b)
    return sides.filter(a < b if comparison.is_floor else a != b).select(
        *ACCOUNT,
        pl.lit(comparison.side_a.value).alias("side_a"),
        pl.lit(comparison.side_b.value).alias("side_b"),
        a.cast(RECONCILIATION_BREAKS["amount_a_minor"]).alias("amount_a_minor"),
        b.cast(RECONCILIATION_BREAKS["amount_b_minor"]).alias("amount_b_minor"),
        pl.lit(comparison.check).alias("check_name"),
        (pl.col("subject") if "subject" in sides.columns else pl.lit(None, pl.String)).alias(
            "subject"
        ),
        pl.lit(comparison.unit.value).alias("unit"),
    )


def join_frames(chunks: Iterable[pl.DataFrame], schema: pl.Schema) -> pl.DataFrame:
    """The chunks as one frame, with the schema's columns also where there is no chunk."""
    frames: Sequence[pl.DataFrame] = [pl.DataFrame(schema=schema), *chunks]
    return pl.concat(frames)
