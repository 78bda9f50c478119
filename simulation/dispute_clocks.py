"""By when simulated disputes are to be answered: what feeds, the processor and the networks say.

Belongs here: the three clocks as the outside world has them, stated once more. The platform's own rules and data are
not asked, so that a wrong one differs from the truth.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

# `<network>/<stage>` -> days that the program's processor leaves, fewer than the published ones or where
# nobody publishes any.
PROCESSOR_DAYS: Final = {
    "mastercard/chargeback": 6,
    "visa/pre_arbitration": 5,
    "discover/inquiry": 14,
}
# What feeds leave from the first day of an opening, and by how much they put it off later.
_FEED_DAYS: Final = {"visa": 18, "mastercard": 39, "amex": 20, "discover": 30}
_PUT_OFF_DAYS: Final = 10
_PUBLISHED_DAYS: Final = {
    "visa/chargeback": 30,
    "visa/pre_arbitration": 30,
    "mastercard/chargeback": 45,
    "mastercard/pre_arbitration": 30,
    "amex/inquiry": 20,
    "amex/chargeback": 20,
    "discover/chargeback": 30,
}
_CLOCKS: Final[Mapping[str, Mapping[str, int]]] = {
    "processor": PROCESSOR_DAYS,
    "published": _PUBLISHED_DAYS,
}


@dataclass(frozen=True, slots=True)
class Due:
    """Who says by when to answer: a day, or days after the row arrived; nobody where `clock` is None."""

    clock: str | None = None
    reply_by: date | None = None
    days_after_arrival: int | None = None


NOBODY: Final = Due()


def feed_date(network: str, begun_on: date, *, is_put_off: bool = False) -> date:
    """The day that a feed names for an opening that began then."""
    return begun_on + timedelta(days=_FEED_DAYS[network] + is_put_off * _PUT_OFF_DAYS)


def due(network: str, stage: str, begun_on: date | None, named: date | None) -> Due:
    """What counts: the day that the feed named, else the processor's days, else the published ones.

    `begun_on`: when the dispute came to the stage; None where no row says, so that the days count from
    the row's arrival.
    """
    if named is not None:
        return Due("feed", named)
    for clock, days_of in _CLOCKS.items():
        days = days_of.get(f"{network}/{stage}")
        if days is not None and begun_on is None:
            return Due(clock, days_after_arrival=days)
        if days is not None and begun_on is not None:
            return Due(clock, begun_on + timedelta(days=days))
    return NOBODY
