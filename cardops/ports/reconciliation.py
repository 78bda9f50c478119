"""What reconciliation compares: every account from two sources, and the log of every event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from contextlib import AbstractContextManager
    from datetime import date, datetime
    from pathlib import Path

    import polars as pl

    from cardops.rules.reconciliation.drills import Drill
    from cardops.rules.reconciliation.raw_files import CountedFile


class TransactionLog(Protocol):
    """Every decision, deposit, recall, reinstatement and action, exported by business date."""

    def export(self, business_date: date, target: Path) -> DayExport:
        """Write the whole day, from one snapshot, to one Parquet file.

        Columns are those of `cardops.contracts.lake.transaction_log.COLUMNS`.
        """

    def record_export(self, business_date: date, export: DayExport) -> None:
        """Record the export; `is_closed` days are reconciled as final."""

    def busy_dates(self) -> Sequence[date]:
        """UTC dates that have at least one event, in order."""


class DayExport(Protocol):
    """What one export wrote. `is_closed`: every transaction open at the day's end has ended.

    `watermark` is opaque; the day's next export uses it to know whether those have ended.
    """

    row_count: int
    watermark: str | None
    is_closed: bool
    content_sha256: str
    exported_at: datetime


class ExportedDay(Protocol):
    """What was recorded of a date's last export."""

    @property
    def row_count(self) -> int:
        """Rows of the exported file."""

    @property
    def content_sha256(self) -> str:
        """Hash of the exported file."""

    @property
    def is_closed(self) -> bool:
        """Whether the date was over, and every transaction open at its end had ended."""


class ReconciledDay(Protocol):
    """A closed date that was reconciled without a break."""

    @property
    def business_date(self) -> date:
        """The date."""

    @property
    def balances_sha256(self) -> str | None:
        """Hash of its closing balances in the lake; None of a date of an older release."""


class Books(Protocol):
    """What reconciliation reads of the store, and what it records there.

    `since` limits what is read to that date and later; without it, everything is read. Each call is
    one snapshot, so that live traffic makes no break.
    """

    def accounts(self, business_date: date, *, since: date | None = None) -> Iterator[pl.DataFrame]:
        """Each account as it stood at the end of the business date, in chunks.

        Columns are those of `cardops.contracts.lake.reconciliation.BOOKS_COLUMNS`: the materialised
        balances (less what was dated later), and the sums of its postings (dated since) and open
        holds. An account that only one source knows has zeros in the other. `ledger_seq` is the
        account's at the snapshot: rows with a later one were written after it. What an account
        below zero owed before `since` is `earlier_obligations_minor`.
        """

    def breaks(self, business_date: date, *, since: date | None = None) -> pl.DataFrame:
        """What the named checks of the store find: FOUND_COLUMNS."""

    def deposit_files(self, business_date: date, *, since: date | None = None) -> pl.DataFrame:
        """Deposit files up to that date by currency: DEPOSIT_FILE_COLUMNS; since: those changed."""

    def counted_files(
        self, business_date: date, *, since: date | None = None
    ) -> Sequence[CountedFile]:
        """The same files, with what the intake ledger recorded of each."""

    def credited_rows(self, intake_id: int) -> pl.DataFrame:
        """The rows that a file credited: CREDITED_COLUMNS."""

    def known_deposits(self, program: str, deposit_ids: Sequence[str]) -> pl.DataFrame:
        """The latest credit of each of these deposits: CREDITED_COLUMNS."""

    def dates_to_export(self, business_date: date) -> Sequence[date]:
        """Dates up to that one that have events and no final export."""

    def exported(self, since: date, business_date: date) -> Mapping[date, ExportedDay]:
        """What was recorded of the exports of these dates."""

    def changed_exports(self, since: date, until: date) -> Sequence[date]:
        """Dates between these with a final export that has not as many rows as the store has events."""

    def last_reconciled(self, business_date: date) -> ReconciledDay | None:
        """The latest earlier date that was closed when it was reconciled, without a break."""

    def last_proven(self, business_date: date) -> date | None:
        """The latest date up to that one that was compared from the beginning; None if it had a break."""

    def reconciled(self, since: date, until: date) -> Sequence[ReconciledDay]:
        """All of these between two dates, both included."""

    def record_reconciled(
        self,
        business_date: date,
        *,
        since: date | None,
        break_count: int,
        balances_sha256: str | None,
    ) -> None:
        """Record the outcome of a closed date; of another, nothing is recorded.

        `balances_sha256`: hash of the file of closing balances that was compared.
        """

    def closing(self) -> AbstractContextManager[None]:
        """For as long as balances or log of a date are written, or a date is compared and recorded.

        Another process that does so waits. Not for a block inside such a block.
        """

    def supersede_reconciled(self, since: date) -> None:
        """None of the dates from this one on is a beginning: balances or log were written again."""


class LakeBooks(Protocol):
    """What reconciliation reads of the lake: closing balances and transaction log."""

    def differing_accounts(
        self, business_date: date, *, opening: date | None = None
    ) -> pl.DataFrame:
        """Accounts whose closing balance differs from their log; empty where all agree.

        `opening`: an earlier date from whose closing balances the log is added up.

        Columns: program, user_id, currency, balances, held_balances, transaction_log,
        transaction_log_holds (minor units). Raises LakeIncompleteError where the date has no
        closing balances or no log was ever exported: missing data never counts as agreement.
        """

    def has_closing_balances(self, business_date: date) -> bool:
        """Whether the lake has the date's closing balances."""

    def balances_sha256(self, business_date: date) -> str | None:
        """Hash of the file of the date's closing balances; None without one."""

    def exported_dates(self) -> AbstractSet[date]:
        """The business dates whose transaction log is in the lake."""

    def log_file(self, business_date: date) -> Path:
        """The date's transaction log on this machine's disk, whether it is there or not."""


class RecoveryDrill(Protocol):
    """Dumps the store, restores it elsewhere, and proves the checks of the books on what was restored."""

    def run(self, say: Callable[[str], None]) -> Drill:
        """One drill; `say` is told what it does. Store and lake are only read.

        Raises DrillFailedError, DatabaseUnavailableError.
        """
