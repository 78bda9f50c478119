"""What operators recorded, and alarms, in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from typing_extensions import override

from cardops.ports import Clock, DisputeAlarms, DisputeRecords
from cardops.rules.chargebacks.alarms import DeadlineAlarm
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.queue import DECISIONS, DisputeRecord, RecordKind
from cardops.rules.chargebacks.queue import RecordRequest as Request
from tests.fakes.clock import FakeClock


@dataclass
class FakeDisputeRecords(DisputeRecords):
    clock: Clock = field(default_factory=FakeClock)
    records: dict[DisputeKey, list[DisputeRecord]] = field(default_factory=dict)

    @override
    def add(
        self, request: Request, judge: Callable[[Sequence[DisputeRecord]], DisputeRecord | None]
    ) -> tuple[DisputeRecord, bool]:
        records = self.records.setdefault(request.opening.dispute, [])
        repeated = judge(records)
        if repeated is not None:
            return repeated, False
        records.append(DisputeRecord(request, len(records) + 1, self.clock.now()))
        return records[-1], True

    @override
    def of_dispute(self, dispute: DisputeKey) -> Sequence[DisputeRecord]:
        return list(self.records.get(dispute, []))

    @override
    def standing(self) -> Sequence[DisputeRecord]:
        found = []
        for records in self.records.values():
            for kinds in ({RecordKind.ASSIGN}, DECISIONS):
                found += [record for record in records if record.kind in kinds][-1:]
        return found


@dataclass
class FakeDisputeAlarms(DisputeAlarms):
    clock: Clock = field(default_factory=FakeClock)
    raised: dict[DeadlineAlarm, datetime] = field(default_factory=dict)
    sent: set[DeadlineAlarm] = field(default_factory=set)

    @override
    def claim(self, alarms: Sequence[DeadlineAlarm]) -> Sequence[DeadlineAlarm]:
        new = [alarm for alarm in alarms if alarm not in self.raised]
        self.raised |= dict.fromkeys(new, self.clock.now())
        return new

    @override
    def confirm(self, alarms: Sequence[DeadlineAlarm]) -> None:
        self.sent |= set(alarms)

    @override
    def unconfirmed(self, before: datetime) -> Sequence[DeadlineAlarm]:
        return [
            alarm for alarm, at in self.raised.items() if alarm not in self.sent and at < before
        ]
