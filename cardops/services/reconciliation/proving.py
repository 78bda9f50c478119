"""Prove the checks: plant each kind of damage in a copy, and see which check finds it.

Belongs here: the order of work, and what counts as found. The catalogue is in
cardops.rules.reconciliation.damages.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

import polars as pl
from typing_extensions import override

from cardops.ports import Books, Clock, ExpectedFiles, LakeBooks, TransactionLog
from cardops.rules.reconciliation.damages import DAMAGES, Damage
from cardops.services.intake.expected_files import ExpectedFileService
from cardops.services.reconciliation.file_damages import LAKE_DAMAGES, FileCopies
from cardops.services.reconciliation.reconciling import ReconciliationService


class StoreDamages(Protocol):
    """A copy of the store in which damages are planted."""

    def planted(
        self, kind: str
    ) -> AbstractContextManager[tuple[Books, TransactionLog, ExpectedFiles]]:
        """Books, log and calendar with this damage, if it is one of the store; rolled back at the end."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A damage and the checks that found something because of it, in order of name."""

    damage: Damage
    found_by: Sequence[str]

    @property
    def is_found(self) -> bool:
        """Whether the check that is meant to find it did."""
        return self.damage.check in self.found_by


@dataclass(frozen=True, slots=True)
class _UnchangedLakeBooks(LakeBooks):
    """The lake compared with itself once: a damage of the store does not change that."""

    lake_books: LakeBooks
    differing: pl.DataFrame

    @override
    def differing_accounts(
        self, business_date: date, *, opening: date | None = None
    ) -> pl.DataFrame:
        return self.differing

    @override
    def has_closing_balances(self, business_date: date) -> bool:
        return self.lake_books.has_closing_balances(business_date)

    @override
    def balances_sha256(self, business_date: date) -> str | None:
        return self.lake_books.balances_sha256(business_date)

    @override
    def exported_dates(self) -> AbstractSet[date]:
        return self.lake_books.exported_dates()

    @override
    def log_file(self, business_date: date) -> Path:
        return self.lake_books.log_file(business_date)


@dataclass(frozen=True, slots=True)
class Proving:
    """Plants damages in copies of store, lake and raw files, one after the other."""

    store: StoreDamages
    copies: FileCopies
    lake_books: LakeBooks
    business_date: date
    clock: Clock
    # The breaks that the whole copy had, before everything but the specimen was removed from it.
    undamaged: pl.DataFrame

    def proofs(self) -> Iterator[Proof]:
        """Each kind of damage, and the checks whose breaks are there because of it."""
        undamaged = self._breaks("", self.lake_books)
        differing = self.lake_books.differing_accounts(self.business_date)
        unchanged = _UnchangedLakeBooks(self.lake_books, differing)
        for damage in DAMAGES:
            is_of_lake = damage.kind in LAKE_DAMAGES
            found = self._breaks(damage.kind, self.lake_books if is_of_lake else unchanged)
            new = found.join(undamaged, on=found.columns, how="anti", nulls_equal=True)
            yield Proof(damage, sorted(set(new["check_name"])))

    def _breaks(self, kind: str, lake_books: LakeBooks) -> pl.DataFrame:
        copies = self.copies
        with self.store.planted(kind) as (books, log_reader, calendar), copies.planted(kind):
            service = ReconciliationService(
                books,
                copies.lake,
                lake_books,
                log_reader,
                copies.raw_store,
                ExpectedFileService(calendar, self.clock),
            )
            return service.reconcile(self.business_date).breaks
