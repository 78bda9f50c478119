"""The first tick of sensors that follow runs: Dagster lets each begin with the newest run that it finds then.

A run that ends before it is never seen: its batch waits two minutes for the sensor of unmade batches, and a failure
raises no alarm of its own. In a new home the worker is faster than the daemon, so it waits for it.
"""

import logging
import threading
import time
from collections.abc import Collection
from typing import Final

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
)

# Without a daemon nothing ticks, and files are credited all the same.
LONGEST_SECONDS: Final = 60.0
PAUSE_SECONDS: Final = 0.25

_log = logging.getLogger("cardops.intake")


def wait_for_first_ticks(
    instance: dg.DagsterInstance,
    sensors: Collection[dg.SensorDefinition],
    stopping: threading.Event,
    seconds: float = LONGEST_SECONDS,
) -> None:
    """Until each of the sensors that follows runs has ticked or is switched off; at most so long, or until stopped."""
    awaited = {sensor.name for sensor in sensors if _follows_runs(sensor)}
    until = time.monotonic() + seconds
    while (missing := awaited - _begun(instance)) and time.monotonic() < until:
        if stopping.wait(PAUSE_SECONDS):
            return
    if missing:
        _log.warning(
            "%s did not tick in %.0f s: does the daemon run? Files are ingested; a batch may be delivered some "
            "minutes late, by the sensor of unmade batches.",
            ", ".join(sorted(missing)),
            seconds,
        )


def _follows_runs(sensor: dg.SensorDefinition) -> bool:
    is_on = sensor.default_status is dg.DefaultSensorStatus.RUNNING
    return is_on and isinstance(sensor, dg.RunStatusSensorDefinition)


def _begun(instance: dg.DagsterInstance) -> set[str]:
    states = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    return {state.instigator_name for state in states if _has_begun(state)}


def _has_begun(state: InstigatorState) -> bool:
    if state.status is InstigatorStatus.STOPPED:
        return True
    data = state.instigator_data
    return isinstance(data, SensorInstigatorData) and data.cursor is not None
