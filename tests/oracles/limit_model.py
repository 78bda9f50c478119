"""A slow, plain model of spending limits that counts every permit anew at each check.

Written from docs/limits.md; uses nothing of cardops.rules.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

Account = tuple[str, str, str]
# (kind, seconds of a window), and (maximum amount, maximum count).
Kind = tuple[str, int]
Most = tuple[int | None, int | None]


@dataclass
class LimitModel:
    """`most` by limited account, with user '' for each user of a program; `permits` by account."""

    most: dict[Account, dict[Kind, Most]] = field(default_factory=dict)
    permits: dict[Account, list[tuple[datetime, int]]] = field(default_factory=dict)

    def change(self, limited: Account, kind: Kind, most: Most) -> None:
        """An omitted maximum keeps its value."""
        amount, count = self.most.setdefault(limited, {}).get(kind, (None, None))
        self.most[limited][kind] = (most[0] or amount, most[1] or count)

    def remove(self, limited: Account, kind: Kind) -> bool:
        return self.most.get(limited, {}).pop(kind, None) is not None

    def permit(self, account: Account, amount: int, at: datetime) -> None:
        self.permits.setdefault(account, []).append((at, amount))

    def used(self, account: Account, at: datetime) -> dict[Kind, tuple[Most, int, int]]:
        """Every limit in force with the amount and the count used of it."""
        program, _, currency = account
        in_force = {
            **self.most.get((program, "", currency), {}),
            **self.most.get(account, {}),
        }
        usage = {}
        for kind, most in in_force.items():
            counted = [
                amount
                for when, amount in self.permits.get(account, [])
                if counts(kind, when=when, at=at)
            ]
            usage[kind] = (most, sum(counted), len(counted))
        return usage

    def is_over(self, account: Account, amount: int, at: datetime, *, held_already: int) -> bool:
        for kind, ((most_amount, most_count), spent, times) in self.used(account, at).items():
            before = held_already if kind[0] == "authorization" else spent
            if most_amount is not None and before + amount > most_amount:
                return True
            if most_count is not None and times + 1 > most_count:
                return True
        return False


def counts(kind: Kind, *, when: datetime, at: datetime) -> bool:
    """Whether a permit of instant `when` counts at instant `at`; a later `when` counts too."""
    name, seconds = kind
    if name == "window":
        return when > at - timedelta(seconds=seconds)
    if name == "day":
        return when.date() >= at.date()
    if name == "month":
        return (when.year, when.month) >= (at.year, at.month)
    return False
