"""Histories of accounts: what clients saw, held to a legal order.

Belongs here: observations and the judge of one account. Pure: no store, no client. An account's
changes have places 1, 2, 3 … (`ledger_seq`); an observation that changed nothing stands after the
change whose place it tells. The judge knows nothing of cardops.rules.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

NEVER = math.inf


@dataclass(frozen=True, slots=True)
class Spent:
    """What counts against limits, or would have, had they not refused it.

    `at` is the instant of the decision; `held_already_minor` is what an increment would raise.
    """

    at: datetime
    amount_minor: int
    held_already_minor: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """One answer (or one thing the store holds that nobody was told of) about one account.

    `change_minor` is what it did to the available balance, `remaining_minor` what it told of it.
    `asked_minor` is what a refusal had asked for. `began` and `ended` are the client's clock;
    what was never answered ended never. `spent` is there where limits had a say: of what was
    permitted, and of what they refused.
    """

    name: str
    place: int
    change_minor: int
    remaining_minor: int | None
    began: float
    ended: float
    is_effective: bool = True
    asked_minor: int = 0
    spent: Spent | None = None


def violations(events: Sequence[Event]) -> list[str]:
    """What is wrong with one account's history; nothing where there is a legal order."""
    ordered = sorted(events, key=lambda event: (event.place, not event.is_effective))
    return [*_broken_places(ordered), *_broken_balances(ordered), *_broken_times(ordered)]


def _broken_places(ordered: Sequence[Event]) -> Iterable[str]:
    places = [event.place for event in ordered if event.is_effective]
    if places != list(range(1, len(places) + 1)):
        seen = set(places)
        missing = sorted(set(range(1, len(places) + 1)) - seen)[:3]
        yield f"changes do not stand in places 1 to {len(places)}: missing {missing}"


def _broken_balances(ordered: Sequence[Event]) -> Iterable[str]:
    available = 0
    for event in ordered:
        available += event.change_minor if event.is_effective else 0
        if event.remaining_minor not in {None, available}:
            yield f"{event.name} told {event.remaining_minor} where {available} was left"
        if event.is_effective and available < 0:
            yield f"{event.name} left {available}"
        if not event.is_effective and event.asked_minor <= available:
            yield f"{event.name} was refused {event.asked_minor} of {available}"


def _broken_times(ordered: Sequence[Event]) -> Iterable[str]:
    """What ended before something earlier in the order began came too late in that order."""
    latest_began, latest, place_began, place_latest = -NEVER, "", -NEVER, ""
    before: Event | None = None
    for event in ordered:
        # Refusals in one place saw the same balance: any order among them is legal.
        if before is None or (before.place, before.is_effective) != (
            event.place,
            event.is_effective,
        ):
            if place_began > latest_began:
                latest_began, latest = place_began, place_latest
            place_began = -NEVER
        if event.ended < latest_began:
            yield f"{event.name} had ended before {latest} began, and stands after it"
        if event.began > place_began:
            place_began, place_latest = event.began, event.name
        before = event
