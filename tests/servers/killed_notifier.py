"""Raises an alarm and kills itself when it is recorded and to be sent. Argument: the database's URL."""

import os
import signal
import sys

from cardops.adapters.clock import SystemClock
from cardops.adapters.postgresql.incidents import PostgresIncidents
from cardops.rules.alarms.messages import AlarmMessage
from cardops.services.alarms.notifying import IncidentNotifier
from tests.fakes.alarm_channels import FakeChannel, FakeChannels


class DeadlyChannel(FakeChannel):
    """Ends the process in place of sending."""

    def send(self, message: AlarmMessage) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    incidents = PostgresIncidents(sys.argv[1])
    channels = FakeChannels([DeadlyChannel("file")])
    IncidentNotifier(lambda: incidents, channels, SystemClock()).notify("Deposits stand still", "x")
