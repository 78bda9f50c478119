"""Histories of accounts: whether what clients observed has a legal order.

Belongs here: observations and the check of one account. Pure: no store, no client. An account's
changes have positions 1, 2, 3 … (`ledger_seq`); an observation that changed nothing comes after
the change whose position it reports. Uses nothing of cardops.rules.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

NEVER = math.inf


@dataclass(frozen=True, slots=True)
class Spent:
    """An amount that counts against limits, or would have, had they not rejected it.

    `at` is the instant of the decision; `held_already_minor` is the hold that an increment raises.
    """

    at: datetime
    amount_minor: int
    held_already_minor: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """One response about one account, or a stored change without a response.

    `change_minor` is the change of the available balance, `remaining_minor` the balance reported.
    `requested_minor` is the amount that a rejection had requested. `began` and `ended` are by the
    client's clock; without a response `ended` is NEVER. `spent` is set for permits, and for
    rejections by limits.
    """

    name: str
    position: int
    change_minor: int
    remaining_minor: int | None
    began: float
    ended: float
    is_effective: bool = True
    requested_minor: int = 0
    spent: Spent | None = None


def violations(events: Sequence[Event]) -> list[str]:
    """What is wrong with an account's history; empty where it has a legal order."""
    ordered = sorted(events, key=lambda event: (event.position, not event.is_effective))
    return [*_broken_positions(ordered), *_broken_balances(ordered), *_broken_times(ordered)]


def _broken_positions(ordered: Sequence[Event]) -> Iterable[str]:
    positions = [event.position for event in ordered if event.is_effective]
    if positions != list(range(1, len(positions) + 1)):
        found = set(positions)
        missing = sorted(set(range(1, len(positions) + 1)) - found)[:3]
        yield f"changes do not have positions 1 to {len(positions)}: missing {missing}"


def _broken_balances(ordered: Sequence[Event]) -> Iterable[str]:
    available = 0
    for event in ordered:
        available += event.change_minor if event.is_effective else 0
        if event.remaining_minor not in {None, available}:
            yield f"{event.name} reported {event.remaining_minor} where {available} was left"
        if event.is_effective and available < 0:
            yield f"{event.name} left {available}"
        if not event.is_effective and event.requested_minor <= available:
            yield f"{event.name} was refused {event.requested_minor} of {available}"


def _broken_times(ordered: Sequence[Event]) -> Iterable[str]:
    """Events that ended before an event ordered before them began."""
    latest_began, latest, position_began, position_latest = -NEVER, "", -NEVER, ""
    before: Event | None = None
    for event in ordered:
        # Rejections at one position saw the same balance: any order among them is legal.
        if before is None or (before.position, before.is_effective) != (
            event.position,
            event.is_effective,
        ):
            if position_began > latest_began:
                latest_began, latest = position_began, position_latest
            position_began = -NEVER
        if event.ended < latest_began:
            yield f"{event.name} had ended before {latest} began, and is ordered after it"
        if event.began > position_began:
            position_began, position_latest = event.began, event.name
        before = event
