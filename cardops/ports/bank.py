"""Which bank accounts hold users' money."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from cardops.rules.bank.safeguarding import SafeguardingAccount


class SafeguardingAccounts(Protocol):
    """Entries are never deleted: one that ended stays, for the dates on which it was in force."""

    def add(self, account: SafeguardingAccount) -> bool:
        """Add an account; False where the program has it already."""

    def remove(self, program: str, account_id: str, until_on: date, removed_by: str) -> bool:
        """End the account's entry from that date on; False where the program does not have it."""

    def all(self) -> Sequence[SafeguardingAccount]:
        """Every entry, by program, account and first date."""
