"""Closing balances of a business date, from the store into the lake."""

from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from cardops.contracts.lake.reconciliation import (
    BOOKS_COLUMNS,
    closing_balances,
    join_frames,
    totals_by_currency,
)
from cardops.contracts.lake.tables import SNAPSHOT
from cardops.ports import Books, Lake

TABLE: Final = "balances"


@dataclass(frozen=True, slots=True)
class ClosedAccounts:
    """The closing balances that were written, and by currency the date's totals in minor units."""

    balances: pl.DataFrame
    totals: pl.DataFrame
    uri: str

    @property
    def below_zero(self) -> int:
        """How many accounts have less than nothing available."""
        return self.balances.filter(pl.col("available_minor") < 0).height


def write_closing_balances(business_date: date, books: Books, lake: Lake) -> ClosedAccounts:
    """Replace the date's closing balances in the lake with those of one snapshot of the store."""
    with books.closing():
        return rewrite_balances(business_date, books, lake)


def rewrite_balances(business_date: date, books: Books, lake: Lake) -> ClosedAccounts:
    """The same for a caller that is within `books.closing()`."""
    accounts = join_frames(books.accounts(business_date, since=business_date), BOOKS_COLUMNS)
    balances = closing_balances(accounts)
    # Before the file changes: a crash in between leaves no beginning that nobody compared.
    books.supersede_reconciled(business_date)
    uri = lake.write(TABLE, business_date, SNAPSHOT, balances)
    return ClosedAccounts(balances, totals_by_currency(accounts), uri)
