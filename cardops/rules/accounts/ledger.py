"""Accounts and their balances."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

# The largest i64, in which balances are stored.
MAX_BALANCE_MINOR: Final = 2**63 - 1


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


def amounts_beyond_range(balance_minor: int, deposits: Iterable[tuple[int, int]]) -> Iterator[int]:
    """The row numbers of deposits with which the balance would pass MAX_BALANCE_MINOR.

    `deposits`: row numbers and amounts in the order in which they are credited. A deposit that does
    not fit is left out, and a smaller one after it may fit.
    """
    for row_number, amount_minor in deposits:
        if balance_minor + amount_minor > MAX_BALANCE_MINOR:
            yield row_number
        else:
            balance_minor += amount_minor
