"""Reconcile a business date: compare every figure with an independent source of it.

The asset, `cardops reconcile` and the demo all come here. Belongs here: which sources are compared
on a date, and where the breaks are recorded. What is compared with what is in
cardops.rules.reconciliation.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from cardops.contracts.lake.reconciliation import (
    BOOKS_COLUMNS,
    breaks_in,
    file_sides,
    join_frames,
    store_sides,
    totals_by_currency,
)
from cardops.contracts.lake.tables import RECONCILIATION_BREAKS, SNAPSHOT
from cardops.ports import Books, Lake, LakeBooks, TransactionLog
from cardops.rules.reconciliation import (
    FILE_COMPARISONS,
    LAKE_COMPARISONS,
    STORE_COMPARISONS,
    Comparison,
    ExportMissingError,
    NotReconciledError,
)

TABLE: Final = "reconciliation_breaks"


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The breaks of a date, one row each, and its totals by currency, all in minor units.

    `includes_lake`: closing balances and log of the date were in the lake and were compared too.
    """

    business_date: date
    account_count: int
    totals: pl.DataFrame
    breaks: pl.DataFrame
    includes_lake: bool


@dataclass(frozen=True, slots=True)
class ReconciliationService:
    """Compares store, deposit files and lake."""

    books: Books
    lake: Lake
    lake_books: LakeBooks

    def reconcile(self, business_date: date) -> Reconciliation:
        """Compare what there is of the date; the lake is left out until it has the whole date."""
        is_in_lake = (
            self.lake_books.has_closing_balances(business_date)
            and business_date in self.lake_books.exported_dates()
        )
        return self._compare(business_date, includes_lake=is_in_lake)

    def reconcile_closed(
        self, business_date: date, log_reader: TransactionLog
    ) -> tuple[Reconciliation, str]:
        """Compare every source and record the breaks in the lake; returns their URI too.

        Raises ExportMissingError, LakeIncompleteError where the lake lacks a part: missing data
        never counts as agreement.
        """
        busy_dates = {day for day in log_reader.busy_dates() if day <= business_date}
        missing = sorted(busy_dates - self.lake_books.exported_dates())
        if missing:
            raise ExportMissingError(missing)
        found = self._compare(business_date, includes_lake=True)
        return found, self.lake.write(TABLE, business_date, SNAPSHOT, found.breaks)

    def _compare(self, business_date: date, *, includes_lake: bool) -> Reconciliation:
        accounts = join_frames(self.books.accounts(business_date), BOOKS_COLUMNS)
        files = file_sides(self.books.deposit_files(business_date), self.lake.scan("deposits"))
        breaks = [
            breaks_in(store_sides(accounts), STORE_COMPARISONS),
            breaks_in(files, FILE_COMPARISONS),
        ]
        if includes_lake:
            differing = self.lake_books.differing_accounts(business_date)
            breaks.append(breaks_in(differing, LAKE_COMPARISONS))
        return Reconciliation(
            business_date=business_date,
            account_count=accounts.height,
            totals=totals_by_currency(accounts),
            breaks=pl.concat(breaks),
            includes_lake=includes_lake,
        )


def recorded_breaks(business_date: date, lake: Lake) -> pl.DataFrame:
    """The breaks that were recorded of the date. Raises NotReconciledError."""
    rows = lake.scan(TABLE, [business_date])
    if rows is None:
        raise NotReconciledError(business_date)
    return rows.select(RECONCILIATION_BREAKS.names()).collect()


def breaks_of(comparison: Comparison, breaks: pl.DataFrame) -> pl.DataFrame:
    """Those of the breaks that this comparison found."""
    return breaks.filter(
        pl.col("side_a") == comparison.side_a.value, pl.col("side_b") == comparison.side_b.value
    )
