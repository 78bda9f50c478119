"""MonitoringAlarms on PostgreSQL: which alarms of monitoring programmes were raised, each once."""

from collections.abc import Mapping
from typing import ClassVar

from typing_extensions import override

from cardops.adapters.postgresql.raised_alarms import Key, RaisedAlarms
from cardops.rules.chargebacks.monitoring import MonitoringAlarm


class PostgresMonitoringAlarms(RaisedAlarms[MonitoringAlarm]):
    """Implements cardops.ports.MonitoringAlarms. An alarm read back has no figures."""

    table: ClassVar[str] = "monitoring_alarms"
    columns: ClassVar[Mapping[str, str]] = {
        "program": "text",
        "merchant_id": "text",
        "programme": "text",
        "month_on": "date",
        "is_reached": "boolean",
    }

    @override
    def key_of(self, alarm: MonitoringAlarm) -> Key:
        return (
            *(alarm.program, alarm.merchant_id, alarm.programme),
            *(alarm.month, alarm.is_reached),
        )

    @override
    def alarm_of(self, key: Key) -> MonitoringAlarm:
        return MonitoringAlarm(*key)
