"""Ticks of every sensor over two homes, in turns: `python -m benchmarks sensor_ticks YOUNG_HOME OLD_HOME`.

Each home is measured in a process of its own, ROUNDS times: one first tick of every sensor, and the median of those
that follow, each from the cursor that the one before left. Sensors that follow runs only wait for runs, and are left
out. Printed: medians of both in seconds, and old ÷ young.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any, Final

import dagster as dg

from cardops.settings import Settings
from orchestration.local.in_process import InProcessRuns
from orchestration.local.instance import open_instance
from orchestration.resource_bindings import resources

ROUNDS: Final = 3
TICKS: Final = 11
NAMES: Final = ("young", "old")


def main(arguments: list[str]) -> None:
    """Exits with a message where no two homes are named; with one, that home alone is measured."""
    homes = [Path(name).absolute() for name in arguments]
    if len(homes) == 1:
        sys.stdout.write(f"{json.dumps(_of_home(homes[0]))}\n")
        return
    if len(homes) != len(NAMES):
        raise SystemExit("Name the home of a few days, and the home of a year.")
    rounds = [[_in_a_process(home) for home in homes] for _ in range(ROUNDS)]
    for place, what in enumerate(("first tick", "later ticks")):
        young, old = (median(turn[home][place] for turn in rounds) for home in range(len(NAMES)))
        sys.stdout.write(f"{what}: young {young:.2f} s, old {old:.2f} s, ratio {old / young:.2f}\n")


def seconds_of_ticks(
    instance: dg.DagsterInstance, definitions: dg.RepositoryDefinition
) -> tuple[float, float]:
    """A first tick of every sensor, and the median of those that follow."""
    resource_defs = dict(resources())
    cursors: dict[str, str | None] = {}
    first, *later = (
        _tick_of_all(instance, definitions, resource_defs, cursors) for _ in range(1 + TICKS)
    )
    return first, median(later)


def _tick_of_all(
    instance: dg.DagsterInstance,
    definitions: dg.RepositoryDefinition,
    resource_defs: dict[str, Any],
    cursors: dict[str, str | None],
) -> float:
    began = time.monotonic()
    for sensor in definitions.sensor_defs:
        if isinstance(sensor, dg.RunStatusSensorDefinition):
            continue
        with dg.build_sensor_context(
            instance=instance,
            repository_def=definitions,
            sensor_name=sensor.name,
            cursor=cursors.get(sensor.name),
            resources=resource_defs,
        ) as context:
            cursors[sensor.name] = sensor.evaluate_tick(context).cursor
    return time.monotonic() - began


def _of_home(home: Path) -> tuple[float, float]:
    settings = Settings(home=home, first_business_date=_first_date(home))
    os.environ["CARDOPS_FIRST_BUSINESS_DATE"] = str(settings.first_business_date)
    return seconds_of_ticks(open_instance(settings), InProcessRuns(settings).definitions)


def _first_date(home: Path) -> date:
    """The first business date that the home has balances of."""
    dates = [folder.name.partition("=")[2] for folder in (home / "lake" / "balances").iterdir()]
    return min(map(date.fromisoformat, dates))


def _in_a_process(home: Path) -> Sequence[float]:
    command = [sys.executable, "-m", "benchmarks", "sensor_ticks", str(home)]
    done = subprocess.run(  # noqa: S603 - this program itself
        command, stdout=subprocess.PIPE, check=True, text=True
    )
    measured: list[float] = json.loads(done.stdout)
    return measured
