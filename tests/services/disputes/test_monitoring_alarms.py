"""Alarms of monitoring programmes: one for each merchant, programme, month and side of the line."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
from typing_extensions import override

from assets.monitoring_alarms import monitoring_alarms
from cardops.adapters.postgresql.chargebacks.monitoring_alarms import PostgresMonitoringAlarms
from cardops.ports import MonitoringAlarms
from cardops.rules.chargebacks.monitoring import (
    MonitoringAlarm,
    ProgrammeFigures,
    monitoring_texts,
)
from cardops.services.disputes.monitoring_alarms import CONFIRMED_AFTER, MonitoringWatch
from tests.fakes.clock import FakeClock
from tests.fakes.monitoring import FakeMonitoringAlarms, FakeMonitoringProgrammes
from tests.fakes.notifier import FakeNotifier
from tests.servers.killable_alarms import die_at_steps
from tests.servers.killable_monitoring_alarms import watch_of

FIGURES = ProgrammeFigures(
    case_count=1200,
    sales_count=80_000,
    line_tier="excessive",
    line_ratio_bps=150,
    line_case_count=1501,
    cases_to_line=301,
    forecast_case_count=1640,
    tier_reached=None,
    is_lower_bound=True,
)
REACHED = replace(FIGURES, case_count=1600, cases_to_line=-99, tier_reached="excessive")
LONG = timedelta(days=36_500)


def an_alarm(merchant_id: str = "m1", *, is_reached: bool = False) -> MonitoringAlarm:
    figures = REACHED if is_reached else FIGURES
    return MonitoringAlarm(
        "default", merchant_id, "visa_vamp", date(2026, 11, 1), is_reached, figures
    )


class FailingNotifier(FakeNotifier):
    @override
    def notify(self, subject: str, message: str, *, runbook: str | None = None) -> None:
        raise ConnectionError(subject)


def test_alarm_says_how_far_the_line_is_and_what_is_missing() -> None:
    (text,) = monitoring_texts([an_alarm()])

    assert text.subject == "1 merchant of default may reach the line of visa_vamp in 2026-11: m1"
    assert (
        "m1 has 1200 cases against 80000 sales, excessive begins at 1501 cases and 1.50 %, 301 more "
        "reach it, 1640 are forecast for the month, no fraud reports were received, so there may be "
        "more." in text.message
    )


def test_reached_lines_are_told_first_and_many_merchants_together() -> None:
    many = [an_alarm(f"m{place:02}") for place in range(25)]

    first, second = monitoring_texts([*many, an_alarm("over", is_reached=True)])

    assert first.subject == "1 merchant of default reached the line of visa_vamp in 2026-11: over"
    assert "more reach it" not in first.message
    assert second.subject.startswith("25 merchants of default may reach")
    assert "m19 has" in second.message
    assert "m20" not in second.message
    assert "; and 5 more." in second.message


def test_second_look_raises_nothing_until_the_line_is_reached() -> None:
    programmes, notifier = FakeMonitoringProgrammes([an_alarm()]), FakeNotifier()
    watch = MonitoringWatch(programmes, FakeMonitoringAlarms(), FakeClock())

    first = watch.raise_due(notifier).raised
    again = watch.raise_due(notifier).raised
    programmes.due = [an_alarm(is_reached=True)]
    reached = watch.raise_due(notifier).raised

    assert ([*first], [*again], [*reached]) == ([an_alarm()], [], [an_alarm(is_reached=True)])
    assert len(notifier.alarms) == 2


def test_alarm_that_could_not_be_sent_is_unconfirmed_and_not_sent_again() -> None:
    clock = FakeClock()
    alarms = FakeMonitoringAlarms(clock)
    watch = MonitoringWatch(FakeMonitoringProgrammes([an_alarm()]), alarms, clock)
    with pytest.raises(ConnectionError):
        watch.raise_due(FailingNotifier())

    clock.advance(seconds=CONFIRMED_AFTER.total_seconds() + 1)
    notifier = FakeNotifier()
    found = watch.raise_due(notifier)

    assert (found.raised, notifier.alarms) == ([], [])
    assert found.unconfirmed == [an_alarm()]


@pytest.mark.database
@pytest.mark.parametrize("store", ["fake", "postgresql"])
def test_stores_give_each_monitoring_alarm_to_one_caller(
    store: str, module_database_url: str
) -> None:
    alarms: MonitoringAlarms = (
        FakeMonitoringAlarms() if store == "fake" else PostgresMonitoringAlarms(module_database_url)
    )
    wanted = sorted(an_alarm(f"store-{place}", is_reached=bool(place % 2)) for place in range(4))

    claimed = alarms.claim(wanted[:2])
    assert claimed == wanted[:2]
    assert [alarm.figures for alarm in claimed] == [alarm.figures for alarm in wanted[:2]]
    assert alarms.claim(wanted) == wanted[2:]
    assert alarms.claim([]) == []
    alarms.confirm(wanted[:1])
    assert alarms.unconfirmed(FakeClock().now() + LONG) == wanted[1:]
    assert alarms.unconfirmed(FakeClock().now() - LONG) == []
    alarms.confirm(wanted)


@pytest.mark.database
def test_workers_at_once_send_each_monitoring_alarm_once(module_database_url: str) -> None:
    due = [an_alarm(f"both-{place:03}") for place in range(200)]
    notifier = FakeNotifier()

    def look(_: int) -> list[MonitoringAlarm]:
        alarms = PostgresMonitoringAlarms(module_database_url)
        watch = MonitoringWatch(FakeMonitoringProgrammes(due), alarms, FakeClock())
        return [*watch.raise_due(notifier).raised]

    with ThreadPoolExecutor(4) as pool:
        raised = [alarm for found in pool.map(look, range(4)) for alarm in found]

    assert sorted(raised) == due


@pytest.mark.database
def test_monitoring_alarm_of_a_killed_process_is_sent_at_most_once_and_never_lost(
    module_database_url: str, tmp_path: Path
) -> None:
    sent = tmp_path / "alarms.jsonl"
    # Before the claim, before the alarm, before its confirmation, and after all.
    steps = (1, 2, 3, 9)
    ended = die_at_steps(module_database_url, sent, steps, "killable_monitoring_alarms")
    assert ended == [-signal.SIGKILL] * 3 + [0]

    merchants = [f"at-{step}" for step in steps]
    notifier = FakeNotifier()
    raised = watch_of(module_database_url, *merchants).raise_due(notifier).raised

    told = [json.loads(line)["message"] for line in sent.read_text().splitlines()]
    assert [name for name in merchants if any(name in text for text in told)] == ["at-3", "at-9"]
    assert [alarm.merchant_id for alarm in raised] == ["at-1"]
    assert len(notifier.alarms) == 1
    # The report lists these until a person has seen to them.
    unconfirmed = PostgresMonitoringAlarms(module_database_url).unconfirmed(
        FakeClock().now() + LONG
    )
    assert [alarm.merchant_id for alarm in unconfirmed] == ["at-2", "at-3"]


@pytest.mark.dagster
def test_asset_tells_how_many_alarms_were_raised() -> None:
    notifier = FakeNotifier()
    resources = {
        "monitoring_programmes": FakeMonitoringProgrammes([an_alarm()]),
        "raised_monitoring_alarms": FakeMonitoringAlarms(),
        "notifier": notifier,
        "clock": FakeClock(),
    }

    result = dg.materialize([monitoring_alarms], partition_key="2026-11-20", resources=resources)

    metadata = result.asset_materializations_for_node("monitoring_alarms")[0].metadata
    assert (metadata["raised"].value, metadata["may_not_have_been_sent"].value) == (1, 0)
    assert len(notifier.alarms) == 1
