"""DisputeAlarms on PostgreSQL: which alarms of deadlines were raised, each once."""

from collections.abc import Mapping
from typing import ClassVar

from typing_extensions import override

from cardops.adapters.postgresql.raised_alarms import Key, RaisedAlarms
from cardops.rules.chargebacks.alarms import AlarmLevel, DeadlineAlarm
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.queue import Opening


class PostgresDisputeAlarms(RaisedAlarms[DeadlineAlarm]):
    """Implements cardops.ports.DisputeAlarms."""

    table: ClassVar[str] = "dispute_alarms"
    columns: ClassVar[Mapping[str, str]] = {
        "program": "text",
        "network": "text",
        "case_number": "text",
        "stage": "text",
        "opening_number": "int",
        "reply_by_on": "date",
        "level": "text",
    }

    @override
    def key_of(self, alarm: DeadlineAlarm) -> Key:
        opening = alarm.opening
        dispute = opening.dispute
        return (
            *(dispute.program, dispute.network, dispute.case_number),
            *(opening.stage, opening.number, alarm.reply_by_on, alarm.level.value),
        )

    @override
    def alarm_of(self, key: Key) -> DeadlineAlarm:
        program, network, case_number, stage, opening_number, reply_by_on, level = key
        opening = Opening(DisputeKey(program, network, case_number), stage, opening_number)
        return DeadlineAlarm(opening, reply_by_on, AlarmLevel(level))
