"""The holidays of a destination, and the files that were not there by its cut-off.

Belongs here: looking holidays up, going through the ledger, alarms. Which day a file counts for is
decided in cardops.rules.deliveries.cut_offs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from cardops.ports import DeliveryLedger, Destinations, Notifier
from cardops.rules.deliveries.cut_offs import counts_on, cut_off_on
from cardops.rules.deliveries.destinations import Destination
from cardops.rules.deliveries.records import (
    UNDELIVERED,
    ChargebackFileRecord,
    DeliveryState,
    PermanentDeliveryError,
)
from cardops.rules.deliveries.troubles import RUNBOOK
from cardops.services.intake.holiday_dates import holiday_dates

_STATES: Final = sorted(state.value for state in {*UNDELIVERED, DeliveryState.FAILED})


def is_holiday_of(destination: Destination) -> Callable[[date], bool]:
    """Whether a date is a holiday at the destination. Raises UnknownHolidaysError."""
    return lambda day: day in holiday_dates(destination.holidays, (day.year,))


@dataclass(frozen=True, slots=True)
class CutOffService:
    """Raises one alarm for each file that misses its card company's cut-off."""

    ledger: DeliveryLedger
    destinations: Destinations
    notifier: Notifier

    def alarm_missed(self, now: datetime) -> list[ChargebackFileRecord]:
        """The files that missed the cut-off of their day, as far as no alarm was raised yet."""
        settings: dict[str, Destination | None] = {}
        missed = []
        for record in self.ledger.all(_STATES):
            if record.destination not in settings:
                settings[record.destination] = self._settings(record.destination)
            destination = settings[record.destination]
            if destination is not None and self._misses(record, destination, now):
                missed.append(record)
        return missed

    def _settings(self, name: str) -> Destination | None:
        """None where there is no usable secret, which its deliveries report themselves."""
        try:
            return self.destinations.settings(name)
        except PermanentDeliveryError:
            return None

    def _misses(
        self, record: ChargebackFileRecord, destination: Destination, now: datetime
    ) -> bool:
        if record.made_at is None:
            return False
        day = counts_on(record.made_at, destination, is_holiday_of(destination))
        if day is None or now <= cut_off_on(day, destination):
            return False
        if record.missed_cut_off_on == day:
            return False
        at = destination.cut_off_at
        self.notifier.notify(
            f"Chargeback file {record.file_name} missed the cut-off of {destination.name}",
            f"It was to be there by {at or 'the end of the day'} {destination.time_zone} on {day} and "
            f"is {record.state.value} ({record.last_error or 'no error is on record'}). The card "
            "company counts it for its next business day; see the reply-by dates in the file.",
            runbook=RUNBOOK,
            incident=f"missed-cut-off:{record.file_name}",
        )
        self.ledger.miss_cut_off(record, day)
        return True
