"""A close that did not happen is an alarm of its date until its report is made."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

import assets.daily_closes
from sensors.late_close import late_close_sensor
from tests.fakes.clock import FakeClock
from tests.fakes.notifier import FakeNotifier

DATES = dg.DailyPartitionsDefinition("2026-11-17")


@dg.asset(partitions_def=DATES)
def daily_report() -> None:
    """Stands for the whole close."""


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@dg.asset(partitions_def=DATES)
def balances() -> None:
    """Another asset of the close."""


@dg.asset(
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(days=35)),
    metadata={"runbook": dg.MetadataValue.url("http://127.0.0.1:1/docs/runbooks/drill.md")},
)
def recovery_drill() -> None:
    """What has an age, not a time of day."""


def tick(instance: dg.DagsterInstance, notifier: FakeNotifier, at: datetime) -> str:
    return str(evaluated(instance, notifier, at).skip_message)


def evaluated(
    instance: dg.DagsterInstance, notifier: FakeNotifier, at: datetime, cursor: str | None = None
) -> SensorExecutionData:
    sensor = late_close_sensor()
    job = dg.define_asset_job("daily_close", selection=[daily_report, balances])
    context = dg.build_sensor_context(
        instance=instance,
        definitions=dg.Definitions(
            assets=[daily_report, balances, recovery_drill], jobs=[job], sensors=[sensor]
        ),
        sensor_name=sensor.name,
        resources={"notifier": notifier, "clock": FakeClock(at)},
        cursor=cursor,
    )
    return sensor.evaluate_tick(context)


def close(instance: dg.DagsterInstance, day: str) -> None:
    dg.materialize([daily_report, balances], partition_key=day, instance=instance)


def test_date_is_late_from_six_o_clock_of_the_next_day(instance: dg.DagsterInstance) -> None:
    notifier = FakeNotifier()
    close(instance, "2026-11-17")
    close(instance, "2026-11-18")

    assert (
        tick(instance, notifier, datetime(2026, 11, 20, 5, 59, tzinfo=UTC)) == "No close is late."
    )
    assert notifier.alarms == []
    assert tick(instance, notifier, datetime(2026, 11, 20, 6, tzinfo=UTC)) == "Late: 2026-11-19."
    tick(instance, notifier, datetime(2026, 11, 20, 7, tzinfo=UTC))

    assert notifier.open == {"late-close:2026-11-19": "The close of 2026-11-19 is late"}


def test_report_ends_the_alarm_of_its_date_alone(instance: dg.DagsterInstance) -> None:
    notifier, noon = FakeNotifier(), datetime(2026, 11, 20, 12, tzinfo=UTC)
    close(instance, "2026-11-17")
    assert tick(instance, notifier, noon) == "Late: 2026-11-18, 2026-11-19."

    close(instance, "2026-11-18")
    tick(instance, notifier, noon)

    assert list(notifier.open) == ["late-close:2026-11-19"]
    assert notifier.resolved == [("late-close:2026-11-18", "The report of the date was made.")]


def test_home_without_an_earlier_date_is_not_late(instance: dg.DagsterInstance) -> None:
    notifier = FakeNotifier()

    assert tick(instance, notifier, datetime(2026, 11, 17, 12, tzinfo=UTC)) == "No close is late."


def test_picture_of_closes_is_shown_anew_only_when_a_date_changes(
    instance: dg.DagsterInstance,
) -> None:
    notifier, noon = FakeNotifier(), datetime(2026, 11, 20, 12, tzinfo=UTC)
    first = evaluated(instance, notifier, noon)
    again = evaluated(instance, notifier, noon, first.cursor)
    close(instance, "2026-11-18")
    changed = evaluated(instance, notifier, noon, first.cursor)

    picture, check = changed.asset_events
    assert [len(tick.asset_events) for tick in (first, again)] == [2, 0]
    assert isinstance(picture, dg.AssetMaterialization)
    assert picture.metadata["dates_that_need_a_person"].value == 3
    assert isinstance(check, dg.AssetCheckEvaluation)
    assert check.description == "2026-11-19 missed; 2026-11-17 missed"


def test_asset_that_missed_its_deadline_is_an_alarm_until_it_is_made(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its policy is violated though the report of the newest date is there."""
    # The clock of materializations is real: reports of dates to come would count for nothing.
    monkeypatch.setattr(assets.daily_closes, "_end_of", lambda _: 0.0)
    notifier, today = FakeNotifier(), datetime.now(UTC).date()
    nights_on = datetime.combine(today + timedelta(days=2), time(7), UTC)
    for day in ("2026-11-17", "2026-11-18", "2026-11-19"):
        close(instance, day)
    days = [day for day in DATES.get_partition_keys(current_time=nights_on) if day > "2026-11-19"]
    for day in days:
        instance.report_runless_asset_event(dg.AssetMaterialization("daily_report", partition=day))

    # Whatever was made today is before the close of the day after tomorrow began.
    assert tick(instance, notifier, nights_on) == "No close is late."
    assert list(notifier.open) == ["stale-close"]
    assert "balances" in notifier.alarms[-1][1]

    tick(instance, notifier, datetime.combine(today, time(0, 1), UTC))

    assert notifier.open == {}


def test_asset_that_is_older_than_its_policy_allows_is_an_alarm_with_its_runbook(
    instance: dg.DagsterInstance,
) -> None:
    notifier, now = FakeNotifier(), datetime.now(UTC)
    dg.materialize([recovery_drill], instance=instance)

    tick(instance, notifier, now + timedelta(days=34))
    assert "overdue:recovery_drill" not in notifier.open
    tick(instance, notifier, now + timedelta(days=36))

    assert notifier.open["overdue:recovery_drill"] == "recovery_drill is overdue"
    assert "docs/runbooks/drill.md" in {runbook for _, _, runbook in notifier.alarms}
    tick(instance, notifier, now)
    assert "overdue:recovery_drill" not in notifier.open
