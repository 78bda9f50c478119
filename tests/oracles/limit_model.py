"""What spending limits let through, in the slowest and plainest way: every permit, counted anew.

Written from docs/limits.md; knows nothing of cardops.rules.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

Account = tuple[str, str, str]
# (kind, seconds of a window), and (most in all, most often).
Kind = tuple[str, int]
Most = tuple[int | None, int | None]


@dataclass
class LimitModel:
    """`most` by who they are for, user '' for each of a program; `permits` by account."""

    most: dict[Account, dict[Kind, Most]] = field(default_factory=dict)
    permits: dict[Account, list[tuple[datetime, int]]] = field(default_factory=dict)

    def change(self, whose: Account, kind: Kind, most: Most) -> None:
        """What is not named stays as it was."""
        amount, count = self.most.setdefault(whose, {}).get(kind, (None, None))
        self.most[whose][kind] = (most[0] or amount, most[1] or count)

    def remove(self, whose: Account, kind: Kind) -> bool:
        return self.most.get(whose, {}).pop(kind, None) is not None

    def permit(self, account: Account, amount: int, at: datetime) -> None:
        self.permits.setdefault(account, []).append((at, amount))

    def used(self, account: Account, at: datetime) -> dict[Kind, tuple[Most, int, int]]:
        """Every limit in force, what was spent of it, and how often."""
        program, _, currency = account
        in_force = {
            **self.most.get((program, "", currency), {}),
            **self.most.get(account, {}),
        }
        found = {}
        for kind, most in in_force.items():
            counted = [
                amount
                for when, amount in self.permits.get(account, [])
                if counts(kind, when=when, at=at)
            ]
            found[kind] = (most, sum(counted), len(counted))
        return found

    def is_over(self, account: Account, amount: int, at: datetime, *, held_already: int) -> bool:
        for kind, ((most_amount, most_count), spent, times) in self.used(account, at).items():
            before = held_already if kind[0] == "authorization" else spent
            if most_amount is not None and before + amount > most_amount:
                return True
            if most_count is not None and times + 1 > most_count:
                return True
        return False


def counts(kind: Kind, *, when: datetime, at: datetime) -> bool:
    """Whether what was permitted `when` counts at another instant; what is ahead of it does too."""
    name, seconds = kind
    if name == "window":
        return when > at - timedelta(seconds=seconds)
    if name == "day":
        return when.date() >= at.date()
    if name == "month":
        return (when.year, when.month) >= (at.year, at.month)
    return False
