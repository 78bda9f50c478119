"""What reconciliation compares: every account from two sources, and the log of every event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import date, datetime
    from pathlib import Path

    import polars as pl


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


class Books(Protocol):
    """What reconciliation reads of the store: every account from two sources, in one snapshot."""

    def accounts(self, business_date: date) -> Iterator[pl.DataFrame]:
        """Each account as it stood at the end of the business date, in chunks.

        Columns are those of `cardops.contracts.lake.reconciliation.BOOKS_COLUMNS`: the materialised
        balances (less what was dated later), and the sums of its postings and open holds. An
        account that only one source knows has zeros in the other. `ledger_seq` is the account's at
        the snapshot: rows with a later one were written after it. Live traffic makes no break.
        """

    def deposit_files(self, business_date: date) -> pl.DataFrame:
        """Deposit files up to that date, by currency: the file's total and what stands of it.

        Applied files, and recalled ones, whose total is zero. A credit stands unless it was recalled.
        """

    def dates_to_export(self, business_date: date) -> Sequence[date]:
        """Dates up to that one that have events and no final export."""


class LakeBooks(Protocol):
    """What reconciliation reads of the lake: closing balances and transaction log."""

    def differing_accounts(self, business_date: date) -> pl.DataFrame:
        """Accounts whose closing balance differs from their log; empty where all agree.

        Columns: program, user_id, currency, balances, held_balances, transaction_log,
        transaction_log_holds (minor units). Raises LakeIncompleteError where the date has no
        closing balances or no log was ever exported: missing data never counts as agreement.
        """

    def has_closing_balances(self, business_date: date) -> bool:
        """Whether the lake has the date's closing balances."""

    def exported_dates(self) -> AbstractSet[date]:
        """The business dates whose transaction log is in the lake."""
