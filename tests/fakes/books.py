"""Books in memory, with the accounts and files that a test gives them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from threading import Lock

import polars as pl
from typing_extensions import override

from cardops.contracts.lake.reconciliation import (
    BOOKS_COLUMNS,
    CREDITED_COLUMNS,
    DEPOSIT_FILE_COLUMNS,
    FOUND_COLUMNS,
)
from cardops.ports import Books, ExportedDay, ReconciledDay
from cardops.rules.reconciliation.raw_files import CountedFile


def an_account(user_id: str, **more: int) -> dict[str, object]:
    """An account's row; its two sources agree where `available_minor` equals the deposits."""
    zeros = dict.fromkeys(list(BOOKS_COLUMNS)[3:], 0)
    return {"program": "default", "user_id": user_id, "currency": "USD", **zeros, **more}


def a_deposit_file(said_minor: int, posted_minor: int, **more: object) -> dict[str, object]:
    """An applied deposit file of one row, as the store has it."""
    return {
        "program": "default",
        "intake_id": 1,
        "currency": "USD",
        "key": "incoming/deposits/a.csv",
        "status": "applied",
        "business_date": date(2026, 11, 20),
        "said_minor": said_minor,
        "posted_minor": posted_minor,
        "accepted_rows": 1,
        "credited_rows": 1,
        **more,
    }


@dataclass(frozen=True)
class FakeReconciledDay:
    """A date without a break."""

    business_date: date
    balances_sha256: str | None


@dataclass
class FakeBooks(Books):
    """`pending` are the dates without a final export; `found` is what the named checks find."""

    account_rows: list[dict[str, object]] = field(default_factory=list)
    file_rows: list[dict[str, object]] = field(default_factory=list)
    pending: list[date] = field(default_factory=list)
    found: list[dict[str, object]] = field(default_factory=list)
    files: list[CountedFile] = field(default_factory=list)
    credits: dict[int, pl.DataFrame] = field(default_factory=dict)
    exports: Mapping[date, ExportedDay] = field(default_factory=dict)
    changed: list[date] = field(default_factory=list)
    outcomes: dict[date, tuple[date | None, int, str | None]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    @override
    def accounts(self, business_date: date, *, since: date | None = None) -> Iterator[pl.DataFrame]:
        yield pl.DataFrame(self.account_rows, schema=BOOKS_COLUMNS)

    @override
    def breaks(self, business_date: date, *, since: date | None = None) -> pl.DataFrame:
        return pl.DataFrame(self.found, schema=FOUND_COLUMNS)

    @override
    def deposit_files(self, business_date: date, *, since: date | None = None) -> pl.DataFrame:
        return pl.DataFrame(self.file_rows, schema=DEPOSIT_FILE_COLUMNS)

    @override
    def counted_files(
        self, business_date: date, *, since: date | None = None
    ) -> Sequence[CountedFile]:
        return self.files

    @override
    def credited_rows(self, intake_id: int) -> pl.DataFrame:
        return self.credits.get(intake_id, pl.DataFrame(schema=CREDITED_COLUMNS))

    @override
    def known_deposits(self, program: str, deposit_ids: Sequence[str]) -> pl.DataFrame:
        own = [self.credits[file.intake_id] for file in self.files if file.program == program]
        known = pl.concat([pl.DataFrame(schema=CREDITED_COLUMNS), *own])
        return known.filter(pl.col("deposit_id").is_in(deposit_ids))

    @override
    def dates_to_export(self, business_date: date) -> Sequence[date]:
        return [day for day in self.pending if day <= business_date]

    @override
    def exported(self, since: date, business_date: date) -> Mapping[date, ExportedDay]:
        return {
            day: export for day, export in self.exports.items() if since <= day <= business_date
        }

    @override
    def changed_exports(self, since: date, until: date) -> Sequence[date]:
        return [day for day in self.changed if since <= day <= until]

    @override
    def last_reconciled(self, business_date: date) -> ReconciledDay | None:
        return max(
            self.reconciled(date.min, business_date - timedelta(days=1)),
            key=lambda day: day.business_date,
            default=None,
        )

    @override
    def last_proven(self, business_date: date) -> date | None:
        compared = [
            (day, break_count)
            for day, (since, break_count, _) in self.outcomes.items()
            if since is None and day <= business_date
        ]
        day, break_count = max(compared, default=(None, 0))
        return None if break_count else day

    @override
    def reconciled(self, since: date, until: date) -> Sequence[FakeReconciledDay]:
        return [
            FakeReconciledDay(day, balances_sha256)
            for day, (_, break_count, balances_sha256) in sorted(self.outcomes.items())
            if since <= day <= until and not break_count
        ]

    @override
    def record_reconciled(
        self,
        business_date: date,
        *,
        since: date | None,
        break_count: int,
        balances_sha256: str | None,
    ) -> None:
        self.outcomes[business_date] = (since, break_count, balances_sha256)

    @override
    @contextmanager
    def closing(self) -> Iterator[None]:
        assert self.lock.acquire(blocking=False), "a block inside a block would wait for ever"
        try:
            yield
        finally:
            self.lock.release()

    @override
    def supersede_reconciled(self, since: date) -> None:
        self.outcomes = {
            day: outcome for day, outcome in self.outcomes.items() if day < since or outcome[1]
        }
