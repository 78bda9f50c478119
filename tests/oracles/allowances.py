"""The usage of spending limits, counted again from the list of all permitted amounts."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from cardops.rules.accounts.spending_limits import (
    Allowance,
    SpendingLimit,
    counting_start,
    limits_in_force,
)


def allowances_at(
    of_program: Sequence[SpendingLimit],
    own: Sequence[SpendingLimit],
    permitted: Iterable[tuple[datetime, int]],
    at: datetime,
) -> list[Allowance]:
    """The limits in force and their usage at an instant; `permitted` in any order."""
    allowances, amounts = limits_in_force(of_program, own), list(permitted)
    for allowance in allowances:
        start = counting_start(allowance.limit, at)
        counted = [amount for when, amount in amounts if start is not None and when >= start]
        allowance.used_amount_minor, allowance.used_count = sum(counted), len(counted)
    return allowances
