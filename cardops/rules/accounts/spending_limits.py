"""Spending limits: what counts against them, and whether an amount is still within them.

Belongs here: limits as values and the verdict on one amount. What was permitted counts, whenever
the limit was set, increments like new authorizations; voids, expiries and refunds give nothing
back. Each currency counts for itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

MAX_WINDOW_SECONDS: Final = 31 * 24 * 3600

# The store keeps microseconds: what is later than an instant is at least this much later.
_TICK: Final = timedelta(microseconds=1)


class LimitKind(StrEnum):
    """Over what a limit counts; calendar days and months are those of UTC."""

    AUTHORIZATION = "authorization"
    WINDOW = "window"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class SpendingLimit:
    """At most this much, and at most this often, in one currency; None does not limit.

    `window_seconds` is 0 but for windows. One authorization has an amount and no count.
    """

    kind: LimitKind
    max_amount_minor: int | None = None
    max_count: int | None = None
    window_seconds: int = 0

    @property
    def key(self) -> tuple[LimitKind, int]:
        """Two limits of one key never hold at once for a user."""
        return (self.kind, self.window_seconds)


@dataclass(slots=True)
class Allowance:
    """A limit in force with what is used of it, changed as a batch is decided."""

    limit: SpendingLimit
    used_amount_minor: int = 0
    used_count: int = 0


def limits_in_force(
    of_program: Iterable[SpendingLimit], own: Iterable[SpendingLimit]
) -> list[Allowance]:
    """A user's own limit stands in place of the program's of the same kind and window."""
    found = {limit.key: limit for limit in of_program}
    found.update({limit.key: limit for limit in own})
    return [Allowance(found[key]) for key in sorted(found)]


def counting_start(limit: SpendingLimit, at: datetime) -> datetime | None:
    """The first instant that counts at `at`; None where nothing earlier counts.

    A window of N seconds counts what is later than `at` less N. There is no upper end: what
    another process decided by a clock that is ahead counts too, so no clock lets more through.
    """
    match limit.kind:
        case LimitKind.AUTHORIZATION:
            return None
        case LimitKind.WINDOW:
            return at - timedelta(seconds=limit.window_seconds) + _TICK
    midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if limit.kind is LimitKind.DAY else midnight.replace(day=1)


def is_within_limits(
    amount_minor: int, allowances: Iterable[Allowance], raised_minor: int = 0
) -> bool:
    """Whether one more amount keeps every limit.

    `raised_minor` is what the authorization holds that an increment would raise: in parts no
    more passes than at once.
    """
    return all(_keeps(amount_minor, one, raised_minor) for one in allowances)


def count_permitted(amount_minor: int, allowances: Iterable[Allowance]) -> None:
    """Count a permitted amount."""
    for one in allowances:
        if one.limit.kind is not LimitKind.AUTHORIZATION:
            one.used_amount_minor += amount_minor
            one.used_count += 1


def merge_limit(before: SpendingLimit | None, change: SpendingLimit) -> SpendingLimit:
    """The limit after a change that leaves alone what it does not name."""
    if before is None:
        return change
    return replace(
        change,
        max_amount_minor=change.max_amount_minor or before.max_amount_minor,
        max_count=change.max_count or before.max_count,
    )


def limit_problem(limit: SpendingLimit) -> str | None:
    """Why this cannot be a limit, or None."""
    if limit.kind is LimitKind.WINDOW and not 1 <= limit.window_seconds <= MAX_WINDOW_SECONDS:
        return "A window is between one second and 31 days long."
    if limit.max_amount_minor is None and limit.max_count is None:
        return f"A limit of kind {limit.kind} needs an amount or a count."
    if limit.max_count is not None and not 1 <= limit.max_count < 2**63:
        return "A count must be a whole number above zero; to refuse all, block the user."
    return None


def limit_kind_text(limit: SpendingLimit) -> str:
    """The kind as people read it: a window with its length."""
    return f"window {limit.window_seconds}s" if limit.kind is LimitKind.WINDOW else limit.kind.value


def _keeps(amount_minor: int, one: Allowance, raised_minor: int) -> bool:
    limit = one.limit
    before = raised_minor if limit.kind is LimitKind.AUTHORIZATION else one.used_amount_minor
    if limit.max_amount_minor is not None and before + amount_minor > limit.max_amount_minor:
        return False
    return limit.max_count is None or one.used_count < limit.max_count


def allowances_at(
    of_program: Sequence[SpendingLimit],
    own: Sequence[SpendingLimit],
    permitted: Iterable[tuple[datetime, int]],
    at: datetime,
) -> list[Allowance]:
    """The limits in force with what is used of each at an instant, from all that was permitted."""
    found, amounts = limits_in_force(of_program, own), list(permitted)
    for one in found:
        start = counting_start(one.limit, at)
        counted = [amount for when, amount in amounts if start is not None and when >= start]
        one.used_amount_minor, one.used_count = sum(counted), len(counted)
    return found
