"""Monitoring programmes of the card networks: where merchants stand, and which alarms were raised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cardops.rules.chargebacks.monitoring import MonitoringAlarm


class MonitoringProgrammes(Protocol):
    """Where merchants stand, from the marts."""

    def alarms(self) -> Sequence[MonitoringAlarm]:
        """Every alarm that the current month calls for. Raises NothingBuiltError."""


class MonitoringAlarms(Protocol):
    """Which alarms of monitoring programmes were raised."""

    def claim(self, alarms: Sequence[MonitoringAlarm]) -> Sequence[MonitoringAlarm]:
        """Record those that nobody raised yet, and return them; they are the caller's to send."""

    def confirm(self, alarms: Sequence[MonitoringAlarm]) -> None:
        """Record that they were sent."""

    def unconfirmed(self, before: datetime) -> Sequence[MonitoringAlarm]:
        """Alarms raised before that instant which may not have been sent: the process ended."""
