"""What a reconciliation compared of all accounts of a program and currency, for the marts."""

from datetime import date

import polars as pl

from cardops.contracts.lake.tables import RECONCILIATION_TOTALS
from cardops.rules.reconciliation.comparisons import Side


def compared_totals(sides: pl.DataFrame, since: date | None) -> pl.DataFrame:
    """Balances and postings by program and currency, with the columns of `reconciliation_totals`.

    `sides` has a row for each account, as store_sides makes it.
    """
    totals = (
        sides.group_by("program", "currency")
        .agg(
            pl.len().alias("account_count"),
            pl.col(Side.BALANCES).sum().alias("balance_minor"),
            pl.col(Side.POSTINGS).sum().alias("posted_minor"),
        )
        .with_columns(pl.lit(since, pl.Date()).alias("compared_from"))
        .sort("program", "currency")
    )
    return totals.select(
        pl.col(name).cast(column_type) for name, column_type in RECONCILIATION_TOTALS.items()
    )
