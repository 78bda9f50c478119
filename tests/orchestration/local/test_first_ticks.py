"""The intake worker waits until sensors that follow runs have begun, and no longer than it must."""

import logging
import threading
import time
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
)

from orchestration.local.first_ticks import wait_for_first_ticks

pytestmark = pytest.mark.dagster
# Never reached where something ends the wait before.
LONG = 600.0


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS, default_status=dg.DefaultSensorStatus.RUNNING
)
def follows_runs(_context: dg.RunStatusSensorContext) -> None:
    """Nothing."""


@dg.run_failure_sensor(default_status=dg.DefaultSensorStatus.RUNNING)
def follows_failures(_context: dg.RunFailureSensorContext) -> None:
    """Nothing."""


@dg.run_status_sensor(run_status=dg.DagsterRunStatus.SUCCESS)
def is_off(_context: dg.RunStatusSensorContext) -> None:
    """Nothing; nobody switched it on."""


@dg.sensor(default_status=dg.DefaultSensorStatus.RUNNING, target="*")
def looks_itself(_context: dg.SensorEvaluationContext) -> dg.SkipReason:
    return dg.SkipReason("nothing")


SENSORS = (follows_runs, follows_failures, is_off, looks_itself)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def a_state(
    instance: dg.DagsterInstance,
    sensor: str,
    cursor: str | None,
    status: InstigatorStatus = InstigatorStatus.DECLARED_IN_CODE,
) -> None:
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("cardops"), "__repository__")
    origin = RemoteInstigatorOrigin(repository, sensor)
    data = SensorInstigatorData(cursor=cursor)
    instance.add_instigator_state(InstigatorState(origin, InstigatorType.SENSOR, status, data))


def test_it_waits_until_the_last_sensor_that_follows_runs_has_a_cursor(
    instance: dg.DagsterInstance,
) -> None:
    a_state(instance, "follows_runs", "begun")
    waiting = threading.Thread(
        target=wait_for_first_ticks, args=(instance, SENSORS, threading.Event(), LONG)
    )
    waiting.start()
    # The first look is over long before.
    waiting.join(1)
    waited = waiting.is_alive()
    a_state(instance, "follows_failures", "begun")
    waiting.join(60)

    assert (waited, waiting.is_alive()) == (True, False)


def test_a_sensor_that_was_switched_off_is_not_waited_for(instance: dg.DagsterInstance) -> None:
    a_state(instance, "follows_runs", "begun")
    a_state(instance, "follows_failures", None, InstigatorStatus.STOPPED)
    began = time.monotonic()

    wait_for_first_ticks(instance, SENSORS, threading.Event(), LONG)

    assert time.monotonic() - began < LONG


def test_without_a_daemon_it_goes_on_and_says_so(
    instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    # Its state is written before its first tick ends.
    a_state(instance, "follows_runs", None)

    with caplog.at_level(logging.WARNING):
        wait_for_first_ticks(instance, SENSORS, threading.Event(), 0.01)

    (said,) = caplog.messages
    assert said.startswith("follows_failures, follows_runs did not tick")
    assert "does the daemon run?" in said


def test_a_worker_that_is_stopped_waits_no_more(
    instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    stopping = threading.Event()
    stopping.set()

    wait_for_first_ticks(instance, SENSORS, stopping, LONG)

    assert caplog.messages == []
