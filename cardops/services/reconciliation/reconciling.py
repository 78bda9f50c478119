"""Reconcile a business date: compare every figure with an independent source of it.

The asset, `cardops reconcile` and the demo all come here. Belongs here: which sources are compared
on a date, from when on, and where the breaks are recorded. What is compared with what is in
cardops.rules.reconciliation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

import polars as pl

from cardops.contracts.lake.reconciliation import (
    BOOKS_COLUMNS,
    breaks_in,
    closing_balance_breaks,
    file_breaks,
    join_frames,
    named_breaks,
    store_sides,
    totals_by_currency,
)
from cardops.contracts.lake.reconciliation_totals import compared_totals
from cardops.contracts.lake.tables import RECONCILIATION_BREAKS, SNAPSHOT
from cardops.ports import Books, ExportedDay, Lake, LakeBooks, ObjectStore, TransactionLog
from cardops.rules.reconciliation.comparisons import (
    LAKE_COMPARISONS,
    STORE_COMPARISONS,
    Comparison,
    ExportMissingError,
    NotReconciledError,
)
from cardops.services.reconciliation.carried_balances import CarriedBalances
from cardops.services.reconciliation.due_files import DueFiles, absent_file_breaks
from cardops.services.reconciliation.exported_logs import (
    ONE_DAY,
    RESTATEMENT_WINDOW,
    ExportedLogs,
)
from cardops.services.reconciliation.recount import recount_files

TABLE: Final = "reconciliation_breaks"
TOTALS_TABLE: Final = "reconciliation_totals"


class Extent(StrEnum):
    """How far back a reconciliation looks.

    CHANGES: from the last date that was reconciled without a break, as every night. STORE: all of
    the store, and the date's files and log. ALL: all files and exported logs too.
    """

    CHANGES = "changes"
    STORE = "store"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The breaks of a date, one row each, and its totals by currency, all in minor units.

    `compared`: what the accounts had and what was posted to them, by program and currency.
    `includes_lake`: closing balances and log of the date were in the lake and were compared too.
    `since`: the first date whose postings were read, None for all. `missing_raw_files` were not
    counted again, because the store of raw files has them no more.
    """

    business_date: date
    account_count: int
    totals: pl.DataFrame
    compared: pl.DataFrame
    breaks: pl.DataFrame
    includes_lake: bool
    since: date | None = None
    recounted_files: int = 0
    missing_raw_files: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ReconciliationService:
    """Compares store, raw deposit files, lake, and the calendar of expected files."""

    books: Books
    lake: Lake
    lake_books: LakeBooks
    log_reader: TransactionLog
    raw_store: ObjectStore
    due_files: DueFiles

    def reconcile(self, business_date: date, extent: Extent = Extent.STORE) -> Reconciliation:
        """Compare what there is of the date; the lake is left out until it has the whole date."""
        is_in_lake = (
            self.lake_books.has_closing_balances(business_date)
            and business_date in self.lake_books.exported_dates()
        )
        return self._compare(business_date, extent, includes_lake=is_in_lake)

    def reconcile_closed(
        self, business_date: date, extent: Extent = Extent.CHANGES
    ) -> tuple[Reconciliation, str]:
        """Compare what changed since the last date without a break, and record the breaks in the lake.

        With a larger extent, the date proves the balances that were carried forward to it. Returns
        the URI of the breaks too. Raises ExportMissingError, LakeIncompleteError where the lake lacks
        a part: missing data never counts as agreement.
        """
        # A night beside a full run would replace what that one finds by what it did not look at.
        with self.books.closing():  # guard: one-comparison-at-once
            return self._reconcile_closed(business_date, extent)

    def _reconcile_closed(self, business_date: date, extent: Extent) -> tuple[Reconciliation, str]:
        busy_dates = {day for day in self.log_reader.busy_dates() if day <= business_date}
        missing = sorted(busy_dates - self.lake_books.exported_dates())
        if missing:
            raise ExportMissingError(missing)
        balances_sha256 = self.lake_books.balances_sha256(business_date)
        found = self._compare(business_date, extent, includes_lake=True, is_closing=True)
        self.lake.write(TOTALS_TABLE, business_date, SNAPSHOT, found.compared)
        # Last: the date counts as reconciled once its breaks are there.
        uri = self.lake.write(TABLE, business_date, SNAPSHOT, found.breaks)
        self.books.record_reconciled(
            business_date,
            since=found.since,
            break_count=found.breaks.height,
            balances_sha256=balances_sha256,
        )
        return found, uri

    def _compare(
        self,
        business_date: date,
        extent: Extent,
        *,
        includes_lake: bool,
        is_closing: bool = False,
    ) -> Reconciliation:
        carried = CarriedBalances(self.books, self.lake_books)
        opening = carried.opening(business_date) if extent is Extent.CHANGES else None
        since = None if opening is None else opening + timedelta(days=1)
        accounts = join_frames(self.books.accounts(business_date, since=since), BOOKS_COLUMNS)
        named = self.books.breaks(business_date, since=since)
        # Files and logs are read again where they may have changed, or on request; a night without a
        # beginning reads all.
        files_since = business_date if extent is Extent.STORE else since
        recount = recount_files(
            self.books.counted_files(business_date, since=files_since), self.raw_store, self.books
        )
        opened = None if opening is None else self.lake.scan("balances", [opening])
        sides = store_sides(accounts, None if opened is None else opened.collect())
        breaks = [
            breaks_in(sides, STORE_COMPARISONS),
            self._file_breaks(business_date, since),
            named_breaks(pl.concat([named, recount.found])),
            named_breaks(carried.breaks(business_date, files_since)),
            named_breaks(
                absent_file_breaks(
                    self.due_files,
                    files_since or date.min,
                    business_date,
                    is_closing=is_closing,
                )
            ),
        ]
        # Also where the date's file is the one that was lost.
        exported = self._exported(business_date, files_since)
        breaks.append(named_breaks(ExportedLogs(self.lake_books, self.log_reader).breaks(exported)))
        if includes_lake:
            is_closed = business_date in exported and exported[business_date].is_closed
            breaks.append(self._lake_breaks(business_date, accounts, opening, is_closed=is_closed))
        return Reconciliation(
            business_date=business_date,
            account_count=accounts.height,
            totals=totals_by_currency(accounts),
            compared=compared_totals(sides, since),
            breaks=pl.concat(breaks),
            includes_lake=includes_lake,
            since=since,
            recounted_files=recount.read_count,
            missing_raw_files=recount.missing_keys,
        )

    def _file_breaks(self, business_date: date, since: date | None) -> pl.DataFrame:
        """Of files that changed: also of older dates, of which the lake has other files too."""
        files = self.books.deposit_files(business_date, since=since)
        if since is None:
            until = pl.col("business_date") <= business_date
            deposits = self.lake.scan("deposits")
            return file_breaks(files, None if deposits is None else deposits.filter(until))
        new_dates = [
            since + timedelta(days=number) for number in range((business_date - since).days + 1)
        ]
        deposits = self.lake.scan("deposits", [*new_dates, *files["business_date"]])
        if deposits is not None:
            is_changed = pl.col("intake_id").is_in(files["intake_id"].implode())
            deposits = deposits.filter(pl.col("business_date").is_in(new_dates) | is_changed)
        return file_breaks(files, deposits)

    def _exported(self, business_date: date, files_since: date | None) -> dict[date, ExportedDay]:
        """The exports whose logs are compared with lake and store."""
        exported = dict(self.books.exported(files_since or date.min, business_date))
        eve = business_date - ONE_DAY
        # A late row was exported by now; where the number still differs, one is lost.
        for day in self.books.changed_exports(business_date - RESTATEMENT_WINDOW, eve):
            exported |= self.books.exported(day, day)
        return exported

    def _lake_breaks(
        self, business_date: date, accounts: pl.DataFrame, opening: date | None, *, is_closed: bool
    ) -> pl.DataFrame:
        differing = self.lake_books.differing_accounts(business_date, opening=opening)
        found = breaks_in(differing, LAKE_COMPARISONS)
        balances = self.lake.scan("balances", [business_date])
        if balances is None:
            return found
        return pl.concat(
            [found, closing_balance_breaks(balances.collect(), accounts, is_closed=is_closed)]
        )


def recorded_breaks(business_date: date, lake: Lake) -> pl.DataFrame:
    """The breaks that were recorded of the date. Raises NotReconciledError."""
    rows = lake.scan(TABLE, [business_date])
    if rows is None:
        raise NotReconciledError(business_date)
    known = rows.collect()
    return pl.concat(
        [
            pl.DataFrame(schema=RECONCILIATION_BREAKS),
            known.select(
                pl.col(name).cast(column_type)
                for name, column_type in RECONCILIATION_BREAKS.items()
                if name in known.columns
            ),
        ],
        how="diagonal",
    )


def breaks_of(comparison: Comparison, breaks: pl.DataFrame) -> pl.DataFrame:
    """Those of the breaks that this comparison found.

    Breaks recorded before checks had names are recognised by their sides.
    """
    is_unnamed = pl.col("check_name").is_null()
    has_sides = (pl.col("side_a") == comparison.side_a.value) & (
        pl.col("side_b") == comparison.side_b.value
    )
    is_named = (pl.col("check_name") == comparison.check).fill_null(value=False)
    return breaks.filter(is_named | (is_unnamed & has_sides))
