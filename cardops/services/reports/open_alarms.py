"""Alarms that a person may not have got, and alarms whose cause still stands.

Belongs here: reading them from the ledgers of alarms, and in which words the daily report lists them.
Where merchants stand in monitoring programmes is in the marts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Final

from cardops.ports import Breakers, DisputeAlarms, Incidents, MonitoringAlarms
from cardops.rules.alarms.incidents import Incident, IncidentState
from cardops.rules.card_numbers import mask_card_numbers
from cardops.rules.chargebacks.alarms import DeadlineAlarm
from cardops.rules.chargebacks.monitoring import MonitoringAlarm
from cardops.rules.deliveries import troubles
from cardops.services.deliveries.paused_alarms import DELIVERY, paused_sentence
from cardops.services.disputes import alarms as deadline_alarms
from cardops.services.disputes import monitoring_alarms

NOT_CONFIRMED: Final = "may not have been sent"
STILL_TRUE: Final = "still true"
UNRESOLVED: Final = frozenset({IncidentState.OPEN, IncidentState.ACKNOWLEDGED})
MAX_LISTED: Final = 100
NO_RUNBOOK: Final = "docs/runbooks/README.md"
# An alarm that nobody got is listed until so long after the date of which it warned. By then the lists
# of overdue disputes and of monitoring programmes have what it would have said.
LISTED_FOR: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class OpenAlarm:
    """One alarm for a person: what it is about, whether it was sent, and the name of its runbook."""

    about: str
    state: str
    program: str
    runbook: str


@dataclass(frozen=True, slots=True)
class AlarmSources:
    """The ledgers of alarms."""

    dispute_alarms: DisputeAlarms
    monitoring_alarms: MonitoringAlarms
    breakers: Breakers
    incidents: Incidents | None = None

    def read(self, now: datetime) -> Sequence[OpenAlarm]:
        """As things stand now, those that may not have been sent first."""
        return [
            *self._incidents(),
            *self._deadlines(now),
            *self._monitoring(now),
            *(
                OpenAlarm(mask_card_numbers(paused_sentence(name, breaker)), STILL_TRUE, "",
                          _name(troubles.RUNBOOK))
                for name, breaker in sorted(self.breakers.all().items())
                if breaker.opened_at
            ),
        ]  # fmt: skip

    def _incidents(self) -> list[OpenAlarm]:
        """Those that are not resolved; a paused card company is listed with its next try below."""
        records = self.incidents.all(UNRESOLVED, MAX_LISTED) if self.incidents else []
        return [
            OpenAlarm(
                _incident_sentence(record.incident),
                STILL_TRUE,
                "",
                _name(record.incident.runbook or NO_RUNBOOK),
            )
            for record in records
            if not record.incident.key.startswith(DELIVERY)
        ]

    def _deadlines(self, now: datetime) -> list[OpenAlarm]:
        found = self.dispute_alarms.unconfirmed(now - deadline_alarms.CONFIRMED_AFTER)
        listed = [alarm for alarm in found if now.date() <= alarm.reply_by_on + LISTED_FOR]
        return [
            OpenAlarm(
                _deadline_sentence(alarm),
                NOT_CONFIRMED,
                alarm.opening.dispute.program,
                _name(deadline_alarms.RUNBOOK),
            )
            for alarm in listed
        ]

    def _monitoring(self, now: datetime) -> list[OpenAlarm]:
        found = self.monitoring_alarms.unconfirmed(now - monitoring_alarms.CONFIRMED_AFTER)
        # A month lasts 31 days at most.
        listed = [
            alarm for alarm in found if now.date() < alarm.month + timedelta(days=31) + LISTED_FOR
        ]
        return [
            OpenAlarm(
                _monitoring_sentence(alarm),
                NOT_CONFIRMED,
                alarm.program,
                _name(monitoring_alarms.RUNBOOK),
            )
            for alarm in listed
        ]


def _incident_sentence(incident: Incident) -> str:
    since = f"since {incident.opened_at:%Y-%m-%d %H:%M} UTC"
    who = (
        f"{incident.acknowledged_by} sees to it"
        if incident.acknowledged_by
        else f"nobody has acknowledged it: `cardops alarms ack {incident.incident_id}`"
    )
    return f"{incident.subject}, {since}; {who}"


def _deadline_sentence(alarm: DeadlineAlarm) -> str:
    dispute = alarm.opening.dispute
    return (
        f"Dispute {dispute.case_number} ({dispute.network}, {alarm.opening.stage}) is to be answered "
        f"by {alarm.reply_by_on}: {alarm.level}"
    )


def _monitoring_sentence(alarm: MonitoringAlarm) -> str:
    state = "reached the line" if alarm.is_reached else "may reach the line"
    return f"Merchant {alarm.merchant_id} {state} of {alarm.programme} in {alarm.month:%Y-%m}"


def _name(runbook: str) -> str:
    return PurePosixPath(runbook).name
