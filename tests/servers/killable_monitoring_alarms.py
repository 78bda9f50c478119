"""Raises alarms of monitoring programmes in processes that die at another step each: run as a script.

Arguments: the database's URL, a file for the alarms that were sent, and steps, as those of
tests.servers.killable_alarms.
"""

import sys
from datetime import date
from pathlib import Path

from cardops.adapters.postgresql.chargebacks.monitoring_alarms import PostgresMonitoringAlarms
from cardops.rules.chargebacks.monitoring import MonitoringAlarm
from cardops.services.disputes.monitoring_alarms import MonitoringWatch
from tests.fakes.clock import FakeClock
from tests.fakes.monitoring import FakeMonitoringProgrammes
from tests.servers.file_notifier import FileNotifier
from tests.servers.killable_alarms import die_before, run_each_in_a_process


def watch_of(url: str, *merchants: str) -> MonitoringWatch:
    """What raises alarms of merchants with these ids, which are near a line."""
    due = [
        MonitoringAlarm("default", merchant, "visa_vamp", date(2026, 11, 1), is_reached=False)
        for merchant in merchants
    ]
    return MonitoringWatch(
        FakeMonitoringProgrammes(due), PostgresMonitoringAlarms(url), FakeClock()
    )


def main(url: str, sent: str, *steps: str) -> None:
    def raise_one(step: int) -> None:
        notifier = FileNotifier(Path(sent), FakeClock())
        die_before(step)
        watch_of(url, f"at-{step}").raise_due(notifier)

    run_each_in_a_process(raise_one, map(int, steps))


if __name__ == "__main__":
    main(*sys.argv[1:])
