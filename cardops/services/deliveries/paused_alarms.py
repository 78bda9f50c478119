"""The alarm that deliveries to a destination are paused, raised also where its process died before.

Belongs here: whose turn it is to raise it, and its words. A process that dies between raising and
recording it makes the next one raise it again: an alarm twice is better than none.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cardops.ports import Breakers, Notifier
from cardops.rules.deliveries.breakers import Breaker
from cardops.rules.deliveries.records import ChargebackFileRecord
from cardops.rules.deliveries.troubles import RUNBOOK

# An incident's key before the destination.
DELIVERY: Final = "delivery:"


@dataclass(frozen=True, slots=True)
class PausedAlarms:
    """Raises the alarm of each breaker that opened."""

    breakers: Breakers
    notifier: Notifier

    def raise_due(self, now: datetime) -> None:
        """Raise those of processes that did not come to it."""
        for destination, breaker in self.breakers.all().items():
            if not breaker.is_alarm_due(now):
                continue
            before, after = self.breakers.change(destination, lambda found: found.alarming(now))
            if before.is_alarm_due(now):
                self.raise_alarm(destination, after)

    def raise_alarm(self, destination: str, breaker: Breaker) -> None:
        """Raise that of a breaker that this process has opened, or whose alarm it has claimed."""
        why = (
            "The last session with it was refused"
            if breaker.refused_at
            else f"{failures(breaker).capitalize()}, the last one"
        )
        then = (
            "Its files wait, so that no other fails the same way"
            if breaker.refused_at
            else "Its files wait and are tried again automatically, at growing intervals"
        )
        self.notifier.notify(
            f"Deliveries to {destination} are paused",
            f"{why}: {breaker.last_error} {then}; other card companies are not affected.",
            runbook=RUNBOOK,
            incident=incident_of_destination(destination),
        )
        self.raised(destination, breaker)

    def raised(self, destination: str, breaker: Breaker) -> None:
        """Record that operators know that it is paused."""
        self.breakers.change(destination, lambda found: found.alarmed(breaker.opened_at))


def incident_of_destination(destination: str) -> str:
    """One incident a card company, whatever keeps its files from being delivered."""
    return f"{DELIVERY}{destination}"


def incident_of_file(record: ChargebackFileRecord) -> str:
    """The incident of a file that cannot be delivered while others can."""
    return f"chargeback-file:{record.file_name}"


def failures(breaker: Breaker) -> str:
    """How many sessions in a row failed."""
    count = breaker.failure_count
    return "a failure" if count == 1 else f"{count} failures in a row"


def paused_sentence(destination: str, breaker: Breaker) -> str:
    """Since when nothing is sent to a paused destination, why, when it is tried next, and how now."""
    since = breaker.refused_at or breaker.opened_at
    what = (
        f"{destination}: sessions have been refused since {since:%Y-%m-%d %H:%M} UTC"
        if breaker.refused_at
        else f"{destination} is paused since {since:%Y-%m-%d %H:%M} UTC after {failures(breaker)}"
    )
    return (
        f"{what}, next try {breaker.retry_at:%Y-%m-%d %H:%M} UTC: {breaker.last_error} "
        f"`cardops destinations test {destination}` tries now, and lets its files go if it works."
    )
