"""Alarms of merchants near the line of a monitoring programme, each raised once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from cardops.ports import Clock, MonitoringAlarms, MonitoringProgrammes, Notifier
from cardops.rules.chargebacks.monitoring import MonitoringAlarm, monitoring_texts

RUNBOOK: Final = "docs/runbooks/monitoring-programmes.md"
# A worker that has not confirmed its alarms after so long has ended.
CONFIRMED_AFTER: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class RaisedMonitoringAlarms:
    """What one look found: alarms raised now, and earlier ones that may not have been sent."""

    raised: Sequence[MonitoringAlarm]
    unconfirmed: Sequence[MonitoringAlarm]


@dataclass(frozen=True, slots=True)
class MonitoringWatch:
    """Raises each alarm once, whoever looks and however often."""

    programmes: MonitoringProgrammes
    alarms: MonitoringAlarms
    clock: Clock

    def raise_due(self, notifier: Notifier) -> RaisedMonitoringAlarms:
        """Raise the alarms of the marts' current month.

        An alarm is recorded before it is sent: a process that ends between the two sends it never, and
        no other sends it twice. It is then among `unconfirmed`.
        """
        raised = self.alarms.claim(self.programmes.alarms())  # guard: monitoring-alarm-recorded
        for text in monitoring_texts(raised):
            notifier.notify(text.subject, text.message, runbook=RUNBOOK)
        self.alarms.confirm(raised)
        earlier = self.alarms.unconfirmed(self.clock.now() - CONFIRMED_AFTER)
        return RaisedMonitoringAlarms(raised, earlier)
