"""Accounts and their balances."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """A user's balance in one currency and program, in minor units.

    `available_minor` may be negative: obligations always post. `ledger_seq` rises with each change.
    """

    program: str
    user_id: str
    currency: str
    available_minor: int
    held_minor: int
    ledger_seq: int

    @property
    def ledger_minor(self) -> int:
        """Ledger balance: the sum of the account's postings."""
        return self.available_minor + self.held_minor
