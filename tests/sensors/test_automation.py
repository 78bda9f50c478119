"""A sensor or schedule that is off, or fails, is told of until it works again."""

from collections.abc import Iterator
from itertools import count

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster_shared.error import SerializableErrorInfo

from cardops.rules.alarms.incidents import Severity
from sensors.automation import FAILED_TICKS, automation_sensor
from tests.fakes.notifier import FakeNotifier

pytestmark = pytest.mark.dagster

REPOSITORY = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("cardops"), "__repository__")
SECONDS = count(1_800_000_000)


@dg.sensor(target="*", description="Takes files.")
def file_sensor() -> dg.SkipReason:
    """Stands for any sensor."""
    return dg.SkipReason("nothing")


@dg.asset
def closed() -> None:
    """What the schedule makes."""


@dg.schedule(cron_schedule="0 0 * * *", target=[closed], description="Closes the day.")
def night_schedule() -> dg.SkipReason:
    """Stands for any schedule."""
    return dg.SkipReason("nothing")


class Page:
    """Automation, as the daemon and a person leave it."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.notifier = instance, FakeNotifier()
        self.states: dict[str, InstigatorState] = {}

    def add(self, name: str, kind: InstigatorType) -> None:
        origin = RemoteInstigatorOrigin(REPOSITORY, name)
        data = ScheduleInstigatorData("0 0 * * *") if kind is InstigatorType.SCHEDULE else None
        state = InstigatorState(origin, kind, InstigatorStatus.RUNNING, data)
        self.states[name] = self.instance.add_instigator_state(state)

    def switch(self, name: str, status: InstigatorStatus) -> None:
        self.states[name] = self.states[name].with_status(status)
        self.instance.update_instigator_state(self.states[name])

    def tick(self, name: str, error: str | None = None) -> None:
        state = self.states[name]
        inner = SerializableErrorInfo(error or "", [], None)
        failed = SerializableErrorInfo("outer", [], None, cause=inner) if error else None
        self.instance.create_tick(
            TickData(
                state.instigator_origin_id,
                name,
                state.instigator_type,
                TickStatus.FAILURE if error else TickStatus.SKIPPED,
                float(next(SECONDS)),
                selector_id=state.selector_id,
                error=failed,
            )
        )

    def look(self) -> str:
        sensor = automation_sensor()
        context = dg.build_sensor_context(
            instance=self.instance,
            definitions=dg.Definitions(
                [closed], sensors=[sensor, file_sensor], schedules=[night_schedule]
            ),
            sensor_name=sensor.name,
            resources={"notifier": self.notifier},
        )
        return str(sensor.evaluate_tick(context).skip_message)


@pytest.fixture
def page() -> Iterator[Page]:
    with dg.instance_for_test() as instance:
        made = Page(instance)
        made.add("file_sensor", InstigatorType.SENSOR)
        made.add("night_schedule", InstigatorType.SCHEDULE)
        made.add("of_an_older_release_sensor", InstigatorType.SENSOR)
        made.switch("of_an_older_release_sensor", InstigatorStatus.STOPPED)
        yield made


def test_what_works_is_no_news(page: Page) -> None:
    page.tick("file_sensor")

    assert page.look() == "All are at work."
    assert page.notifier.alarms == []


def test_switched_off_is_a_warning_until_it_is_on_again(page: Page) -> None:
    page.switch("night_schedule", InstigatorStatus.STOPPED)

    assert page.look() == "Not at work: night_schedule."
    ((subject, message, runbook),) = page.notifier.alarms
    assert subject == "night_schedule is switched off"
    assert "does not happen: Closes the day." in message
    assert runbook == "docs/runbooks/automation.md"
    assert set(page.notifier.severities.values()) == {Severity.WARNING}

    page.switch("night_schedule", InstigatorStatus.RUNNING)
    page.look()
    assert page.notifier.open == {}


def test_ticks_that_fail_again_and_again_are_told_with_the_cause(page: Page) -> None:
    for _ in range(FAILED_TICKS - 1):
        page.tick("file_sensor", "a name is no text")
    assert page.look() == "All are at work.", "a tick may fail once"

    page.tick("file_sensor", "a name is no text")
    page.look()
    assert page.notifier.open == {"automation:file_sensor": "file_sensor fails"}
    assert "a name is no text" in page.notifier.alarms[0][1]

    page.tick("file_sensor")
    page.look()
    assert page.notifier.open == {}
