"""Closing balances carried forward: where a night may begin, and whether they are still those compared.

Belongs here: when a reconciled date is a beginning. A night that has none compares everything: what is
missing or changed never shortens a comparison.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import polars as pl

from cardops.contracts.lake.reconciliation import FOUND_COLUMNS
from cardops.ports import Books, LakeBooks, ReconciledDay
from cardops.rules.reconciliation.comparisons import CARRIED_BALANCES

# A night that lies further from the last comparison of everything compares everything itself.
MAX_AGE_OF_PROOF: Final = timedelta(days=8)


@dataclass(frozen=True, slots=True)
class CarriedBalances:
    """The closing balances of reconciled dates, by the hash that was recorded of each."""

    books: Books
    lake_books: LakeBooks

    def opening(self, business_date: date) -> date | None:
        """The last reconciled date, if its balances are unchanged and proven recently; else None.

        Where the last comparison of everything found a break there is none, until another finds none.
        """
        day = self.books.last_reconciled(business_date)
        proven_on = self.books.last_proven(business_date)
        if day is None or proven_on is None or business_date - proven_on > MAX_AGE_OF_PROOF:
            return None
        if day.balances_sha256 is None or self._is_changed(day):  # guard: carried-balances
            return None
        return day.business_date

    def breaks(self, business_date: date, since: date | None) -> pl.DataFrame:
        """Dates since whose balances are not those that were compared: FOUND_COLUMNS.

        The last date before is always looked at; without a first date, all are.
        """
        changed = [
            day for day in self._days(business_date, since or date.min) if self._is_changed(day)
        ]
        rows = [_found(day) for day in changed if day.balances_sha256 is not None]
        return pl.DataFrame(rows, schema=FOUND_COLUMNS, orient="row")

    def _days(self, business_date: date, since: date) -> Sequence[ReconciledDay]:
        """The date itself is left out: it may be about to be compared again."""
        eve = business_date - timedelta(days=1)
        days = self.books.reconciled(since, eve) if since <= eve else []
        last = self.books.last_reconciled(business_date)
        return days if days or last is None else [last]

    def _is_changed(self, day: ReconciledDay) -> bool:
        return self.lake_books.balances_sha256(day.business_date) != day.balances_sha256


def _found(day: ReconciledDay) -> tuple[object, ...]:
    # A date's balances are those of every program. Files as they were compared, and as there must be.
    subject = f"closing balances of {day.business_date}"
    return (CARRIED_BALANCES.check, "", None, None, subject, 0, 1)
