"""Accounts: the deposits that credit them and the limits on what is spent from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    import polars as pl

    from cardops.rules.accounts.spending_limits import Allowance, LimitKind, SpendingLimit
    from cardops.rules.intake.files import IntakeFile
    from cardops.rules.intake.groups import FileGroup


class DepositLedger(Protocol):
    """Deposits into accounts, credited once each; a recalled one again only as requested.

    A deposit's credits are numbered. A recall takes back one of them, and a reinstatement is the
    next, so at most one credit of a deposit stands at any time.
    """

    def credit(self, intake_file: IntakeFile, batches: Iterable[pl.DataFrame]) -> pl.DataFrame:
        """Credit valid rows once each, in committed chunks; safe to kill and run again.

        Returns the rows that this call credited for the first time, in any order: row_number i64,
        ledger_seq i64.
        Columns: row_number i64, deposit_id str, user_id str, currency str, amount_minor i64,
        occurred_at datetime[us, UTC]. The first row in file order wins a deposit id. Deposits that
        were recalled stay recalled, unless a reinstatement of the file was requested: then they are
        credited with the content of these rows, and the request is finished.
        """

    def credit_together(self, group: FileGroup, batches: Iterable[pl.DataFrame]) -> pl.DataFrame:
        """`credit` the rows of small files as if one after another; the outcome of each.

        row_number is the row's number in the group, in both frames. None of the files had a
        reinstatement requested. Raises StagingLostError, and FileRecalledError.
        """

    def outcome(
        self, intake_file: IntakeFile, credited: pl.DataFrame | None = None
    ) -> pl.DataFrame:
        """The outcome of each staged row: row_number i64, outcome str, ledger_seq i64 or null.

        `credited`: what `credit` returned, so that these rows need not be looked up.
        outcome: `accepted` (this row was credited), `duplicate` (another row with the same content
        was), `conflicting_duplicate` (another row with the same id and other content was),
        `recalled_before` (the deposit was credited and recalled), `amount_out_of_range` (it did not
        fit into its account's balance, or repeats one that did not). In row order. Call after `credit`, before `forget_staged`. Raises StagingLostError where the staged
        rows are no longer complete.
        """

    def forget_staged(self, intake_file: IntakeFile) -> None:
        """Drop the file's staged rows, or those of the group whose first file it is."""

    def recall(self, intake_file: IntakeFile, recalled_by: str) -> Mapping[str, int]:
        """Take back every standing credit of the file, even if balances become negative.

        Ends an unfinished reinstatement of the file. Returns the recalled total by currency in
        minor units. Idempotent: a repeated call posts nothing and returns the same.
        """

    def request_reinstatement(
        self, intake_file: IntakeFile, requested_by: str, reason: str
    ) -> None:
        """Record that the next `credit` of the file credits its recalled deposits again.

        An unfinished request is kept as it is, so that a repeat after a crash continues it.
        """

    def reinstated(self, intake_file: IntakeFile) -> Mapping[str, int]:
        """Standing reinstatements by this file: total by currency in minor units."""

    def accounts(self) -> Iterator[pl.DataFrame]:
        """All accounts in chunks, from one snapshot.

        Columns: program, user_id, currency, available_minor, held_minor, ledger_seq.
        """


class SpendingLimits(Protocol):
    """Spending limits of a user, or with user `''` of each user of a program (synchronous).

    Decisions obey a change from its commit on. Every change is audited with who made it.
    """

    def change(
        self,
        program: str,
        user_id: str,
        currency: str,
        limits: Sequence[SpendingLimit],
        *,
        changed_by: str,
    ) -> None:
        """Set the limits, all or none; an omitted amount or count keeps its value."""

    def remove(
        self,
        program: str,
        user_id: str,
        currency: str,
        key: tuple[LimitKind, int],
        *,
        changed_by: str,
    ) -> bool:
        """Remove the limit; False where there is none."""

    def own(self, program: str, user_id: str) -> Mapping[str, Sequence[SpendingLimit]]:
        """The limits set for exactly this user (or `''`), by currency."""

    def used(self, program: str, user_id: str, at: datetime) -> Mapping[str, Sequence[Allowance]]:
        """The limits in force for a user with their usage at an instant, by currency."""
