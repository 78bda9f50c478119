"""Alarms of disputes that are to be answered soon, or were not answered in time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import polars as pl

from cardops.ports import Clock, DisputeAlarms, DisputeRecords, Disputes, Notifier
from cardops.rules.chargebacks.alarms import (
    DEADLINE,
    FIRST_ALARM_DAYS,
    DeadlineAlarm,
    alarm_level,
    alarm_texts,
    incident_of,
)
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.queue import Opening
from cardops.services.disputes.queue import queue_frame

RUNBOOK: Final = "docs/runbooks/dispute-deadlines.md"
# A worker that has not confirmed its alarms after so long has ended.
CONFIRMED_AFTER: Final = timedelta(minutes=10)
_COLUMNS: Final = (
    *("program", "network", "case_number", "stage", "opening_number", "reply_by_on", "days_left"),
)


@dataclass(frozen=True, slots=True)
class RaisedAlarms:
    """What one look found: alarms raised now, and earlier ones that may not have been sent."""

    raised: Sequence[DeadlineAlarm]
    unconfirmed: Sequence[DeadlineAlarm]


@dataclass(frozen=True, slots=True)
class DeadlineAlarms:
    """Raises each alarm once, whoever looks and however often."""

    disputes: Disputes
    records: DisputeRecords
    alarms: DisputeAlarms
    clock: Clock

    def state(self) -> list[str]:
        """What the due alarms follow from: while it stays the same, none becomes due."""
        standing = sorted(map(repr, self.records.standing()))
        return [self.clock.now().date().isoformat(), self.disputes.version(), *standing]

    def raise_due(self, notifier: Notifier) -> RaisedAlarms:
        """Raise the alarms that are due as of the clock's date, in UTC.

        An alarm is recorded before it is sent: a process that ends between the two sends it never, and
        no other sends it twice. It is then among `unconfirmed`.
        """
        now = self.clock.now()
        frame = queue_frame(self.disputes.open_disputes(), self.records.standing(), now.date())
        # A dispute that was accepted or closed here was answered.
        due = frame.filter(pl.col("days_left") <= FIRST_ALARM_DAYS, pl.col("decision").is_null())
        rows = due.select(_COLUMNS).iter_rows()
        wanted = [alarm for row in rows if (alarm := _alarm(row)) is not None]
        raised = self.alarms.claim(wanted)  # guard: recorded-before-sent
        for text in alarm_texts(raised):
            notifier.notify(
                text.subject,
                text.message,
                runbook=RUNBOOK,
                incident=text.incident,
                severity=text.severity,
            )
        still = {incident_of(alarm) for alarm in wanted}
        notifier.resolve_except(
            DEADLINE, still, "No unanswered dispute is so near its last day now."
        )
        self.alarms.confirm(raised)
        return RaisedAlarms(raised, self.unconfirmed())

    def unconfirmed(self) -> Sequence[DeadlineAlarm]:
        """Earlier alarms that may not have been sent."""
        return self.alarms.unconfirmed(self.clock.now() - CONFIRMED_AFTER)


def _alarm(row: tuple) -> DeadlineAlarm | None:  # type: ignore[type-arg] # polars gives a plain tuple
    *key, stage, number, reply_by_on, days_left = row
    level = alarm_level(days_left)
    if level is None:
        return None
    return DeadlineAlarm(Opening(DisputeKey(*key), stage, number), reply_by_on, level)
