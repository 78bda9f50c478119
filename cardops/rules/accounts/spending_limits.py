"""Spending limits: what counts against them, and whether an amount is still within them.

Belongs here: limits as values and the check of one amount. Every permitted authorization and
increment counts, also one from before the limit was set; voids, expiries and refunds restore no
allowance. Each currency counts separately.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

MAX_WINDOW_SECONDS: Final = 31 * 24 * 3600

# The store's resolution: two different instants are at least this far apart.
_TICK: Final = timedelta(microseconds=1)


class LimitKind(StrEnum):
    """The period over which a limit counts; calendar days and months are in UTC."""

    AUTHORIZATION = "authorization"
    WINDOW = "window"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class SpendingLimit:
    """A maximum amount (minor units) and a maximum count in one currency; None means unlimited.

    `window_seconds` is 0 except for windows. A limit per authorization has an amount and no count.
    """

    kind: LimitKind
    max_amount_minor: int | None = None
    max_count: int | None = None
    window_seconds: int = 0

    @property
    def key(self) -> tuple[LimitKind, int]:
        """A user has at most one limit in force per key."""
        return (self.kind, self.window_seconds)


@dataclass(slots=True)
class Allowance:
    """A limit in force and its usage so far (minor units), updated while a batch is decided."""

    limit: SpendingLimit
    used_amount_minor: int = 0
    used_count: int = 0


def limits_in_force(
    of_program: Iterable[SpendingLimit], own: Iterable[SpendingLimit]
) -> list[Allowance]:
    """The user's own limits, and the program's where the user has none of that kind and window."""
    limits = {limit.key: limit for limit in of_program}
    limits.update({limit.key: limit for limit in own})
    return [Allowance(limits[key]) for key in sorted(limits)]


def counting_start(limit: SpendingLimit, at: datetime) -> datetime | None:
    """The start of the limit's period at `at`; None where nothing earlier counts.

    A window of N seconds begins just after `at` less N. The period has no end: what was decided
    before the clock was set back counts too, so that setting it never permits more.
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
    """Whether one more amount is within every limit.

    `raised_minor` is the amount already held by the authorization that an increment would raise,
    so that increments cannot pass the limit per authorization.
    """
    return all(_is_within(amount_minor, allowance, raised_minor) for allowance in allowances)


def count_permitted(amount_minor: int, allowances: Iterable[Allowance]) -> None:
    """Add a permitted amount to the usage of each limit."""
    for allowance in allowances:
        if allowance.limit.kind is not LimitKind.AUTHORIZATION:
            allowance.used_amount_minor += amount_minor
            allowance.used_count += 1


def merge_limit(before: SpendingLimit | None, change: SpendingLimit) -> SpendingLimit:
    """The limit after a change; an amount or count that the change omits keeps its value."""
    if before is None:
        return change
    return replace(
        change,
        max_amount_minor=change.max_amount_minor or before.max_amount_minor,
        max_count=change.max_count or before.max_count,
    )


def limit_problem(limit: SpendingLimit) -> str | None:
    """What makes the limit invalid, or None."""
    if limit.kind is LimitKind.WINDOW and not 1 <= limit.window_seconds <= MAX_WINDOW_SECONDS:
        return "A window is between one second and 31 days long."
    if limit.max_amount_minor is None and limit.max_count is None:
        return f"A limit of kind {limit.kind} needs an amount or a count."
    if limit.max_count is not None and not 1 <= limit.max_count < 2**63:
        return "A count must be a whole number above zero; to refuse all, block the user."
    return None


def limit_kind_text(limit: SpendingLimit) -> str:
    """The kind as people read it; a window with its length."""
    return f"window {limit.window_seconds}s" if limit.kind is LimitKind.WINDOW else limit.kind.value


def _is_within(amount_minor: int, allowance: Allowance, raised_minor: int) -> bool:
    limit = allowance.limit
    before = raised_minor if limit.kind is LimitKind.AUTHORIZATION else allowance.used_amount_minor
    if limit.max_amount_minor is not None and before + amount_minor > limit.max_amount_minor:
        return False
    return limit.max_count is None or allowance.used_count < limit.max_count
