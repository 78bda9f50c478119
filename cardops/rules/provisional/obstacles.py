"""Why a disputed purchase cannot be given back, whatever the day.

Belongs here: what is missing, unclear or too late. What a person may decide about it is in decisions.py.
"""

from typing import Final

from cardops.rules.provisional.clocks import ClockName, statement_date
from cardops.rules.provisional.records import DisputeState, Purchase
from cardops.rules.provisional.steps import Terms, WaitingReason

SETTLED: Final = frozenset({"completed", "refunded"})


def obstacle(
    dispute: DisputeState, purchase: Purchase | None, terms: Terms
) -> WaitingReason | None:
    """Why no credit can be given, whatever the day."""
    if dispute.is_inquiry:
        return WaitingReason.INQUIRY
    if dispute.outcome is not None and dispute.favour is None:
        return WaitingReason.OUTCOME_UNKNOWN
    if dispute.amount_minor is None:
        return WaitingReason.AMOUNT_UNKNOWN
    if purchase is None:
        return WaitingReason.TRANSACTION_UNKNOWN
    found = user_obstacle(purchase) or _money_obstacle(dispute, purchase)
    if found is not None:
        return found
    last_on = terms.last_day(ClockName.NOTIFICATION, dispute, statement_date(purchase.made_on))
    is_late = last_on is not None and dispute.notified_on > last_on
    return WaitingReason.NOTIFIED_LATE if is_late else None


def lasting_obstacle(purchase: Purchase | None) -> WaitingReason | None:
    """What no person's decision sets aside: there is no account to post to, or nothing left to give."""
    if purchase is None:
        return WaitingReason.TRANSACTION_UNKNOWN
    entry = purchase.entry
    found = user_obstacle(purchase)
    if found is None and entry is not None and entry.currency != purchase.currency:
        return WaitingReason.CURRENCY_DIFFERS
    if found is None and purchase.left_minor <= 0:
        return WaitingReason.PURCHASE_GIVEN_BACK
    return found


def user_obstacle(purchase: Purchase) -> WaitingReason | None:
    """Why nobody can be given the money of this purchase."""
    if purchase.user_id is None:
        return WaitingReason.USER_UNKNOWN
    entry = purchase.entry
    if entry is not None and entry.user_id != purchase.user_id:
        return WaitingReason.USER_DIFFERS
    return WaitingReason.ACCOUNT_UNKNOWN if purchase.available_minor is None else None


def _money_obstacle(dispute: DisputeState, purchase: Purchase) -> WaitingReason | None:
    entry = purchase.entry
    currencies = {
        dispute.currency,
        purchase.currency,
        entry.currency if entry else dispute.currency,
    }
    if len(currencies) > 1:
        return WaitingReason.CURRENCY_DIFFERS
    if purchase.status not in SETTLED:
        return WaitingReason.PAYMENT_NOT_SETTLED
    is_refunded = entry is not None and entry.spent_minor <= 0
    if purchase.status == "refunded" or is_refunded:
        return WaitingReason.REFUNDED_ALREADY
    return WaitingReason.PURCHASE_GIVEN_BACK if purchase.left_minor <= 0 else None
