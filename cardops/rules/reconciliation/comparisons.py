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
    LIMITS = "limits"
    LIMIT_CHANGES = "limit_changes"
    REQUESTS = "requests"
    REPLAYED_EVENTS = "replayed_events"
    LAST_SEQUENCE = "last_sequence"
    EVENTS = "events"
    DECISIONS = "decisions"
    REMAINING_CREDIT = "remaining_credit"
    RESPONSES = "responses"
    CALLBACKS = "callbacks"
    HOLDS = "holds"
    ACTIONS = "actions"
    CAPTURES = "captures"
    PERMITTED_AMOUNTS = "permitted_amounts"
    REFUNDS = "refunds"
    CAPTURED_AMOUNTS = "captured_amounts"
    ENDINGS = "endings"
    VOIDED_IDS = "voided_ids"
    RECALLS = "recalls"
    REINSTATEMENTS = "reinstatements"
    INTAKE_FILES = "intake_files"
    DEPOSIT_EVENTS = "deposit_events"
    LAKE_DEPOSITS = "lake_deposits"
    LAKE_BALANCES = "lake_balances"
    LAKE_LOG = "lake_transaction_log"
    EXPORTS = "exports"
    RAW_FILES = "raw_files"
    RECONCILED_BALANCES = "reconciled_balances"
    DUE_FILES = "due_files"
    CREDITS_GIVEN = "provisional_credits"
    CREDIT_ENDS = "provisional_credit_ends"
    DECIDED_AMOUNTS = "decided_amounts"


class Unit(StrEnum):
    """What the two figures of a break count. `minor` is money, in minor units of the currency."""

    MINOR = "minor"
    ROWS = "rows"
    EVENTS = "events"


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

    `check` is the name of its asset check, of its breaks, and of its paragraph in the runbook: a
    sentence that is true when it passes.
    """

    check: str
    side_a: Side
    side_b: Side
    is_floor: bool = False
    unit: Unit = Unit.MINOR


# Of each account, in one snapshot of the store. Obligations are recalled deposits and credits that
# were taken back, as a negative amount: an available balance may be below zero by that much and no more.
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
# Of each account: its events in the order of their sequence.
SEQUENCE_CHECKS: Final = (
    Comparison("account_sequences_have_no_gap", Side.LAST_SEQUENCE, Side.EVENTS, unit=Unit.EVENTS),
    Comparison(
        "account_sequences_have_no_repeat", Side.EVENTS, Side.LAST_SEQUENCE, unit=Unit.EVENTS
    ),
    Comparison(
        "remaining_credit_equals_running_balance", Side.REMAINING_CREDIT, Side.REPLAYED_EVENTS
    ),
    Comparison("instants_follow_the_sequence", Side.EVENTS, Side.LAST_SEQUENCE, unit=Unit.EVENTS),
)
# Of each authorization: its decision, its hold and its actions.
AUTHORIZATION_CHECKS: Final = (
    Comparison("actions_have_a_permitted_decision", Side.ACTIONS, Side.DECISIONS, unit=Unit.ROWS),
    Comparison(
        "actions_are_on_the_account_of_their_decision", Side.ACTIONS, Side.DECISIONS, unit=Unit.ROWS
    ),
    Comparison("early_voids_are_announced", Side.ACTIONS, Side.VOIDED_IDS, unit=Unit.ROWS),
    Comparison(
        "early_voids_refuse_their_authorization", Side.ACTIONS, Side.DECISIONS, unit=Unit.ROWS
    ),
    Comparison("voided_decisions_are_announced", Side.DECISIONS, Side.VOIDED_IDS, unit=Unit.ROWS),
    Comparison("actions_post_their_amounts", Side.POSTINGS, Side.ACTIONS),
    Comparison("captures_are_within_the_permitted_amount", Side.CAPTURES, Side.PERMITTED_AMOUNTS),
    Comparison("refunds_are_within_the_captured_amount", Side.REFUNDS, Side.CAPTURED_AMOUNTS),
    Comparison("holds_end_at_most_once", Side.ENDINGS, Side.HOLDS, unit=Unit.EVENTS),
    Comparison("holds_have_a_permitted_decision", Side.HOLDS, Side.DECISIONS, unit=Unit.ROWS),
    Comparison("holds_end_in_time", Side.HOLDS, Side.DECISIONS, unit=Unit.ROWS),
    Comparison("decisions_are_the_hashed_requests", Side.DECISIONS, Side.REQUESTS, unit=Unit.ROWS),
    Comparison("hold_states_agree_with_actions", Side.HOLDS, Side.ACTIONS, unit=Unit.EVENTS),
    Comparison("held_amounts_agree_with_actions", Side.HOLDS, Side.ACTIONS),
    Comparison("captured_amounts_agree_with_actions", Side.CAPTURED_AMOUNTS, Side.CAPTURES),
    Comparison("responses_agree_with_decisions", Side.RESPONSES, Side.DECISIONS),
    Comparison("responses_agree_with_actions", Side.RESPONSES, Side.ACTIONS),
    Comparison("callbacks_repeat_the_response", Side.CALLBACKS, Side.DECISIONS, unit=Unit.ROWS),
    Comparison("decisions_have_their_callback", Side.DECISIONS, Side.CALLBACKS, unit=Unit.ROWS),
)
# Of each deposit, and of each deposit file whatever its state.
DEPOSIT_CHECKS: Final = (
    Comparison("deposits_have_their_intake_file", Side.DEPOSIT_EVENTS, Side.INTAKE_FILES),
    Comparison("deposits_agree_with_their_content_hash", Side.DEPOSIT_EVENTS, Side.RAW_FILES),
    Comparison("recalls_have_their_deposit", Side.RECALLS, Side.DEPOSIT_EVENTS),
    Comparison("reinstatements_have_their_recall", Side.REINSTATEMENTS, Side.RECALLS),
    Comparison("unfinished_files_have_credited_nothing", Side.DEPOSIT_EVENTS, Side.INTAKE_FILES),
    Comparison("recalled_files_have_nothing_credited", Side.DEPOSIT_EVENTS, Side.RECALLS),
)
CREDITED_ROWS: Final = Comparison(
    "deposits_credited_equal_rows_accepted", Side.INTAKE_FILES, Side.DEPOSIT_EVENTS, unit=Unit.ROWS
)
LAKE_ROWS: Final = Comparison(
    "lake_deposits_are_the_credited_rows", Side.LAKE_DEPOSITS, Side.DEPOSIT_EVENTS, unit=Unit.ROWS
)
# Of each deposit file and currency. The lake may have a file that the store lost.
FILE_COMPARISONS: Final = (
    Comparison("deposits_posted_equal_control_totals", Side.INTAKE_FILES, Side.DEPOSIT_EVENTS),
    Comparison(
        "deposits_in_the_lake_equal_deposits_posted", Side.LAKE_DEPOSITS, Side.DEPOSIT_EVENTS
    ),
)
# Of each raw deposit file, read again by another reader than the intake's.
RAW_CHECKS: Final = (
    Comparison("raw_files_are_unchanged", Side.RAW_FILES, Side.INTAKE_FILES, unit=Unit.ROWS),
    Comparison("raw_rows_equal_rows_counted", Side.RAW_FILES, Side.INTAKE_FILES, unit=Unit.ROWS),
    Comparison("raw_deposits_equal_deposits_credited", Side.RAW_FILES, Side.DEPOSIT_EVENTS),
)
# Of each account, in the lake.
LAKE_COMPARISONS: Final = (
    Comparison("transaction_log_adds_up_to_balances", Side.BALANCES, Side.TRANSACTION_LOG),
    Comparison("transaction_log_adds_up_to_held_balances", Side.HELD_BALANCES, Side.LOGGED_HOLDS),
)
CLOSING_BALANCES: Final = Comparison(
    "closing_balances_in_the_lake_equal_the_store", Side.LAKE_BALANCES, Side.BALANCES
)
# Of each file that the calendar of expected files says was due.
DUE_FILES: Final = Comparison(
    "due_files_have_arrived", Side.DUE_FILES, Side.INTAKE_FILES, unit=Unit.ROWS
)
# Of each date that was reconciled: the next night begins at its closing balances.
CARRIED_BALANCES: Final = Comparison(
    "carried_balances_are_those_reconciled",
    Side.LAKE_BALANCES,
    Side.RECONCILED_BALANCES,
    unit=Unit.ROWS,
)
# Of each exported date.
EXPORT_CHECKS: Final = (
    Comparison(
        "exported_log_is_in_the_lake_unchanged", Side.LAKE_LOG, Side.EXPORTS, unit=Unit.ROWS
    ),
    Comparison("exported_log_equals_the_stores_events", Side.LAKE_LOG, Side.EVENTS, unit=Unit.ROWS),
)
# Of each limit and block, in a full reconciliation.
LIMIT_CHECKS: Final = (
    Comparison(
        "limits_in_force_are_the_last_recorded", Side.LIMITS, Side.LIMIT_CHANGES, unit=Unit.ROWS
    ),
)
# Of each dispute of which money was given back to the user.
PROVISIONAL_CHECKS: Final = (
    Comparison("credit_ends_have_their_credit", Side.CREDIT_ENDS, Side.CREDITS_GIVEN),
    Comparison(
        "provisional_credits_are_within_the_purchase", Side.CREDITS_GIVEN, Side.CAPTURED_AMOUNTS
    ),
    Comparison("decided_postings_follow_their_decision", Side.CREDITS_GIVEN, Side.DECIDED_AMOUNTS),
)
# What one read-only transaction on the store evaluates.
STORE_CHECKS: Final = (
    *SEQUENCE_CHECKS,
    *AUTHORIZATION_CHECKS,
    *DEPOSIT_CHECKS,
    *PROVISIONAL_CHECKS,
    *LIMIT_CHECKS,
)
COMPARISONS: Final = (
    *STORE_COMPARISONS,
    *LAKE_COMPARISONS,
    CLOSING_BALANCES,
    CARRIED_BALANCES,
    DUE_FILES,
    *FILE_COMPARISONS,
    CREDITED_ROWS,
    LAKE_ROWS,
    *RAW_CHECKS,
    *EXPORT_CHECKS,
    *STORE_CHECKS,
)
