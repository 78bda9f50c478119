"""Fakes of the monitoring programmes and of the alarms that were raised."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from typing_extensions import override

from cardops.ports import Clock, MonitoringAlarms, MonitoringProgrammes
from cardops.rules.chargebacks.monitoring import MonitoringAlarm
from tests.fakes.clock import FakeClock


@dataclass
class FakeMonitoringProgrammes(MonitoringProgrammes):
    due: list[MonitoringAlarm] = field(default_factory=list)

    @override
    def alarms(self) -> Sequence[MonitoringAlarm]:
        return self.due


@dataclass
class FakeMonitoringAlarms(MonitoringAlarms):
    clock: Clock = field(default_factory=FakeClock)
    raised: dict[MonitoringAlarm, datetime] = field(default_factory=dict)
    sent: set[MonitoringAlarm] = field(default_factory=set)

    @override
    def claim(self, alarms: Sequence[MonitoringAlarm]) -> Sequence[MonitoringAlarm]:
        new = sorted(alarm for alarm in alarms if alarm not in self.raised)
        self.raised |= dict.fromkeys(new, self.clock.now())
        return new

    @override
    def confirm(self, alarms: Sequence[MonitoringAlarm]) -> None:
        self.sent |= set(alarms)

    @override
    def unconfirmed(self, before: datetime) -> Sequence[MonitoringAlarm]:
        return [
            alarm for alarm, at in self.raised.items() if alarm not in self.sent and at < before
        ]
