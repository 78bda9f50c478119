"""The alarm sensor ends what is over by itself, and sends what is due."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import dagster as dg
import pytest

from assets.alarms import alarms
from cardops.adapters.postgresql.incidents import PostgresIncidents
from cardops.rules.alarms.incidents import AlarmPolicy, IncidentState
from cardops.rules.intake.files import FileStatus
from cardops.services.alarms.notifying import IncidentNotifier
from sensors.alarms import alarm_sensor, incident_of_run
from sensors.run_failure import run_failure_sensor
from tests.factories.intake import an_arrival
from tests.fakes.alarm_channels import FakeChannel, FakeChannels
from tests.fakes.clock import FakeClock
from tests.fakes.intake_ledger import FakeIntakeLedger

pytestmark = pytest.mark.database


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


class Night:
    """A database of incidents, one channel, and the sensor."""

    def __init__(self, url: str, instance: dg.DagsterInstance) -> None:
        self.clock = FakeClock()
        self.incidents = PostgresIncidents(url, AlarmPolicy(timedelta(minutes=60)), self.clock.now)
        self.mail = FakeChannel("mail")
        self.notifier = IncidentNotifier(
            lambda: self.incidents, FakeChannels([self.mail]), self.clock
        )
        self.instance = instance
        self.intake_ledger = FakeIntakeLedger()
        self.cursor: str | None = None
        self.events: Sequence[object] = ()

    def tick(self) -> str:
        sensor = alarm_sensor()
        context = dg.build_sensor_context(
            instance=self.instance,
            definitions=dg.Definitions(sensors=[sensor]),
            sensor_name=sensor.name,
            resources={
                "notifier": self.notifier,
                "intake_ledger": self.intake_ledger,
                "incidents": self.incidents,
            },
            cursor=self.cursor,
        )
        data = sensor.evaluate_tick(context)
        self.cursor, self.events = data.cursor, data.asset_events
        return str(data.skip_message)

    def run(self, *, fails: bool, day: str = "2026-11-20") -> dg.ExecuteInProcessResult:
        @dg.op
        def close_books() -> None:
            if fails:
                raise OSError("disk full")

        @dg.job
        def daily_close() -> None:
            close_books()

        result = daily_close.execute_in_process(
            instance=self.instance, raise_on_error=False, tags={"dagster/partition": day}
        )
        if fails:
            context = dg.build_run_status_sensor_context(
                sensor_name="run_failure_sensor",
                dagster_event=result.get_run_failure_event(),
                dagster_instance=self.instance,
                dagster_run=result.dagster_run,
                resources={"notifier": self.notifier},
            ).for_run_failure()
            run_failure_sensor()(context)
        return result


@pytest.fixture
def night(database_url: str, instance: dg.DagsterInstance) -> Night:
    return Night(database_url, instance)


def test_failed_runs_of_a_partition_are_one_alarm_until_one_succeeds(night: Night) -> None:
    failed = [night.run(fails=True) for _ in range(3)][-1]
    assert night.mail.subjects == ["Run of daily_close failed for 2026-11-20"]
    (record,) = night.incidents.all({IncidentState.OPEN}, 10)
    assert (record.incident.seen_count, record.incident.key) == (
        3, incident_of_run(failed.dagster_run),
    )  # fmt: skip
    night.tick()
    assert night.incidents.open_keys("run:") != []

    night.run(fails=False, day="2026-11-19")
    night.tick()
    assert night.incidents.open_keys("run:") != [], "another day's success ends nothing"
    succeeded = night.run(fails=False)
    night.tick()

    assert night.incidents.open_keys("run:") == []
    assert night.mail.subjects[-1] == "Resolved: Run of daily_close failed for 2026-11-20"
    assert succeeded.run_id in night.mail.sent[-1].message


def test_dead_file_is_over_when_it_is_released(night: Night) -> None:
    file, _ = night.intake_ledger.claim(an_arrival(), night.clock.now().date())
    night.intake_ledger.mark(file.intake_id, FileStatus.DEAD)
    night.notifier.notify("dead", "x", incident=f"dead-file:{file.intake_id}")
    night.tick()
    assert night.incidents.open_keys("") != []

    night.intake_ledger.mark(file.intake_id, FileStatus.CLAIMED)
    night.tick()

    assert night.incidents.open_keys("") == []


def test_tick_escalates_and_says_what_it_did(night: Night) -> None:
    night.notifier.notify("a", "b", incident="x")
    assert night.tick() == "1 alarms are open; nothing is to be sent."
    night.clock.advance(hours=2)

    assert night.tick() == "1 alarms were sent, 0 could not be sent."
    assert night.mail.subjects == ["a", "Nobody has acknowledged: a"]


def test_table_is_shown_anew_when_an_alarm_changes_and_not_when_it_is_seen_again(
    night: Night,
) -> None:
    night.tick()
    night.notifier.notify("Deliveries to visa are paused", "refused", incident="delivery:visa")
    night.tick()
    shown, check = night.events
    assert isinstance(shown, dg.AssetMaterialization)
    assert isinstance(check, dg.AssetCheckEvaluation)
    table = shown.metadata["alarms"].value
    assert [record.data["alarm"] for record in table.records] == ["Deliveries to visa are paused"]  # type: ignore[union-attr]
    assert (check.passed, check.description) == (False, "Deliveries to visa are paused")

    night.notifier.notify("Deliveries to visa are paused", "refused", incident="delivery:visa")
    night.tick()
    assert night.events == []
    (record,) = night.incidents.all(set(IncidentState), 10)
    night.incidents.acknowledge(record.incident.incident_id, "ann", None)
    night.tick()

    _, check = night.events
    assert isinstance(check, dg.AssetCheckEvaluation)
    assert check.passed


def test_materialized_by_hand_the_table_shows_what_is_open(night: Night) -> None:
    night.notifier.notify("Deliveries to visa are paused", "refused", incident="delivery:visa")

    result = dg.materialize([alarms], resources={"incidents": night.incidents})

    (shown,) = result.asset_materializations_for_node("alarms")
    assert shown.metadata["dagster/row_count"].value == 1
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
