"""Accounts: the deposits that credit them and the limits on what is spent from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    import polars as pl

    from cardops.rules.accounts.spending_limits import Allowance, LimitKind, SpendingLimit
    from cardops.rules.intake.files import IntakeFile


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


class SpendingLimits(Protocol):
    """Limits of users, and with user `''` of each user of a program (synchronous: commands).

    Decisions obey from their commit on; every change is kept with who made it.
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
        """Set them; an amount or a count that is not named stays as it was."""

    def remove(
        self,
        program: str,
        user_id: str,
        currency: str,
        key: tuple[LimitKind, int],
        *,
        changed_by: str,
    ) -> bool:
        """False where there is no such limit."""

    def own(self, program: str, user_id: str) -> Mapping[str, Sequence[SpendingLimit]]:
        """What was set for exactly this user (or `''`), by currency."""

    def used(self, program: str, user_id: str, at: datetime) -> Mapping[str, Sequence[Allowance]]:
        """The limits in force for a user and what is used of each, by currency."""

    def changes(self, program: str, user_id: str) -> Sequence[Mapping[str, object]]:
        """Who changed what, oldest first: `changed_by`, `before`, `after`."""
