"""Accounts, deposits, and the two roads that prove them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date, datetime
    from pathlib import Path

    import polars as pl

    from cardops.rules.accounts.ledger import Account, AccountTotals
    from cardops.rules.intake.files import (
        IntakeFile,
    )


class DepositLedger(Protocol):
    """Deposits into accounts, and the sums that prove them."""

    def credit(self, intake_file: IntakeFile, batches: Iterable[pl.DataFrame]) -> None:
        """Credit valid rows once each, in committed chunks; safe to kill and run again.

        Columns: row_number i64, deposit_id str, user_id str, currency str, amount_minor i64,
        occurred_at datetime[us, UTC]. The first row in file order wins a deposit id.
        """

    def outcome(self, intake_file: IntakeFile) -> pl.DataFrame:
        """What became of each staged row: row_number i64, outcome str, ledger_seq i64 or null.

        Raises StagingLostError where the staged rows are not complete any more.

        outcome: `accepted` (this very row was credited), `duplicate` (same content, credited by
        another row), `conflicting_duplicate`. In row order. Call after `credit`, before
        `forget_staged`.
        """

    def forget_staged(self, intake_file: IntakeFile) -> None:
        """Drop the file's staged rows."""

    def recall(self, intake_file: IntakeFile, recalled_by: str) -> Mapping[str, int]:
        """Take back every deposit the file credited, whatever that does to the balances.

        Totals by currency of what is taken back of this file: repeating posts nothing more and
        answers the same.
        """

    def accounts(self) -> Iterator[pl.DataFrame]:
        """All accounts in chunks, one snapshot.

        Columns: program, user_id, currency, available_minor, held_minor, ledger_seq.
        """

    def account(self, program: str, user_id: str, currency: str) -> Account | None:
        """One account, or None."""

    def posting_totals(self) -> Iterator[pl.DataFrame]:
        """The second road, from postings alone, in chunks.

        Columns: the fields of AccountTotals, and open_holds_minor from the holds themselves.
        """

    def account_totals(self, program: str, user_id: str, currency: str) -> AccountTotals:
        """The same for one account."""


class TransactionLog(Protocol):
    """Every decision and movement, read out by business date."""

    def export(self, business_date: date, target: Path) -> DayExport:
        """Write the whole day, in one snapshot, to one Parquet file.

        Columns are those of `cardops.contracts.lake.transaction_log.COLUMNS`.
        """

    def record_export(self, business_date: date, export: DayExport) -> None:
        """Remember what was exported; `is_closed` days are reconciled as final."""

    def busy_dates(self) -> Sequence[date]:
        """UTC dates with a decision, deposit or movement, in order."""


class DayExport(Protocol):
    """What one export wrote. `is_closed`: every transaction open at the day's end has ended.

    `watermark` is opaque: by it the day's next export tells whether those have ended.
    """

    row_count: int
    watermark: str | None
    is_closed: bool
    content_sha256: str
    exported_at: datetime


class Books(Protocol):
    """What reconciliation reads of the store: every account by two roads, in one snapshot."""

    def accounts(self, business_date: date) -> Iterator[pl.DataFrame]:
        """Each account as it stood at the end of the business date, in chunks.

        Columns are those of `cardops.contracts.lake.reconciliation.BOOKS_COLUMNS`: the materialised
        balances (less what was dated later), and the sums of its postings and open holds. An
        account that only one road knows has zeros on the other. `ledger_seq` is the account's at
        the snapshot: what has a later one was written after it. Live traffic makes no break.
        """

    def deposit_files(self, business_date: date) -> pl.DataFrame:
        """Applied deposit files up to that date, by currency: what each says, what was posted."""

    def dates_to_export(self, business_date: date) -> Sequence[date]:
        """Dates up to that one on which something happened and whose log is not final yet."""
