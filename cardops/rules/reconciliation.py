"""Two independent sources of one figure: what is compared with what, and what a break is called.

Belongs here: the sides, the comparisons and the names of their checks. Whole tables are compared
by cardops.contracts.lake.reconciliation.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final


class Side(StrEnum):
    """One source of a figure. The values name the sides of a break in the lake."""

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


class LakeIncompleteError(RuntimeError):
    """The lake lacks what a reconciliation of that day needs."""

    def __init__(self, missing: str, asset: str) -> None:
        super().__init__(
            f"The lake has {missing}, so its books cannot be compared; materialize `{asset}` first."
        )


class ExportMissingError(RuntimeError):
    """Money moved on dates whose transaction log is not in the lake."""

    def __init__(self, dates: Iterable[date]) -> None:
        super().__init__(
            f"Money moved on {', '.join(map(str, dates))} but the lake has no transaction log of "
            "it, so the books cannot be compared; materialize `transaction_log` first."
        )


class NotReconciledError(LookupError):
    """No breaks were recorded of a date, because nobody compared its books."""

    def __init__(self, business_date: date) -> None:
        super().__init__(
            f"The books of {business_date} were never compared; materialize "
            "`reconciliation_breaks` first."
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides that must be equal; with `is_floor`, the first must not be below the second.

    `check` is the name of its asset check: a sentence that is true when it passes.
    """

    check: str
    side_a: Side
    side_b: Side
    is_floor: bool = False


# Of each account, in one snapshot of the store. Obligations are recalled deposits, as a negative
# amount: an available balance may be below zero by that much and no more.
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
