"""Accounts and the identity that every balance must satisfy."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """A user's balance in one currency and program, in minor units.

    `available_minor` may be negative: obligations post whatever they do to it.
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


@dataclass(frozen=True, slots=True)
class AccountTotals:
    """Sums of an account's postings by kind, in minor units, all non-negative.

    `deposits_minor` is net of recalled deposits only where `recalls_minor` says so separately.
    """

    program: str
    user_id: str
    currency: str
    deposits_minor: int
    recalls_minor: int
    spends_minor: int
    reversals_minor: int

    @property
    def ledger_minor(self) -> int:
        """Deposits - recalls - spends + reversals."""
        return self.deposits_minor - self.recalls_minor - self.spends_minor + self.reversals_minor
