"""Two roads to one figure: what is compared with what, and what a difference is called.

Belongs here: the sides, the comparisons, the names of the checks they are shown under, and the
scalar rule that is the oracle of the vectorised one (cardops.contracts.lake.reconciliation).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Side(StrEnum):
    """One road to a figure. The values name the sides of a break in the lake."""

    BALANCES = "balances"
    POSTINGS = "postings"
    TRANSACTION_LOG = "transaction_log"
    HELD_BALANCES = "held_balances"
    OPEN_HOLDS = "open_holds"
    LOGGED_HOLDS = "transaction_log_holds"
    AVAILABLE_BALANCES = "available_balances"
    OBLIGATIONS = "obligations"
    INTAKE_FILES = "intake_files"
    DEPOSIT_EVENTS = "deposit_events"
    LAKE_DEPOSITS = "lake_deposits"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What must hold between two sides; `check` is the sentence that is true when it does."""

    check: str
    side_a: Side
    side_b: Side
    is_floor: bool = False

    def holds(self, amount_a_minor: int, amount_b_minor: int) -> bool:
        """Equal; with `is_floor`, the first is not below the second."""
        if self.is_floor:
            return amount_a_minor >= amount_b_minor
        return amount_a_minor == amount_b_minor


# Of each account, in one snapshot of the store. Obligations are what was taken back, negative:
# an available balance may be below zero by as much, and by no more (architecture.md, invariant 1).
STORE_COMPARISONS: Final = (
    Comparison("ledger_balance_equals_sum_of_postings", Side.BALANCES, Side.POSTINGS),
    Comparison("held_balance_equals_open_holds", Side.HELD_BALANCES, Side.OPEN_HOLDS),
    Comparison(
        "no_account_is_below_zero_without_an_obligation",
        Side.AVAILABLE_BALANCES,
        Side.OBLIGATIONS,
        is_floor=True,
    ),
)
# Of each account, in the lake.
LAKE_COMPARISONS: Final = (
    Comparison("transaction_log_adds_up_to_balances", Side.BALANCES, Side.TRANSACTION_LOG),
    Comparison("transaction_log_adds_up_to_held_balances", Side.HELD_BALANCES, Side.LOGGED_HOLDS),
)
# Of each deposit file that was applied.
FILE_COMPARISONS: Final = (
    Comparison("deposits_posted_equal_control_totals", Side.INTAKE_FILES, Side.DEPOSIT_EVENTS),
    Comparison(
        "deposits_in_the_lake_equal_deposits_posted", Side.LAKE_DEPOSITS, Side.DEPOSIT_EVENTS
    ),
)
COMPARISONS: Final = (*STORE_COMPARISONS, *LAKE_COMPARISONS, *FILE_COMPARISONS)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose figures are compared: an account, or a program's deposits where there is no user."""

    program: str
    user_id: str | None
    currency: str


@dataclass(frozen=True, slots=True)
class Break:
    """A reconciliation difference, with both sides and their amounts."""

    subject: Subject
    side_a: Side
    side_b: Side
    amount_a_minor: int
    amount_b_minor: int

    @property
    def difference_minor(self) -> int:
        """The one side less the other."""
        return self.amount_a_minor - self.amount_b_minor


def breaks_of(
    subject: Subject, amounts_minor: Mapping[Side, int], comparisons: Iterable[Comparison]
) -> list[Break]:
    """One break for each comparison that does not hold. A side without a figure counts as 0."""
    found = []
    for comparison in comparisons:
        amount_a = amounts_minor.get(comparison.side_a, 0)
        amount_b = amounts_minor.get(comparison.side_b, 0)
        if not comparison.holds(amount_a, amount_b):
            found.append(Break(subject, comparison.side_a, comparison.side_b, amount_a, amount_b))
    return found


def check_of(side_a: str, side_b: str) -> str:
    """The check under which a break of these sides is shown. Raises KeyError for unknown ones."""
    return {(one.side_a.value, one.side_b.value): one.check for one in COMPARISONS}[side_a, side_b]
