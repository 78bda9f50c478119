"""Materializes `fraud_rings`, each time in a process that dies at another step: run as a script.

Arguments: folders of lakes, each with the step before which its process is killed, as `FOLDER:STEP`. A step
creates, renames or removes a file or folder of the lake.
"""

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import dagster as dg

from assets.fraud_rings import fraud_rings
from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse
from cardops.adapters.warehouse.lake import ParquetLake
from cardops.adapters.warehouse.reports import DuckDbReports
from cardops.adapters.warehouse.ring_snapshots import LakeRingSnapshots
from cardops.adapters.warehouse.ring_sources import LakeRingSources
from tests.factories.lake_tables import DAY
from tests.fakes.clock import FakeClock

ROOT: Final = Path(__file__).resolve().parents[2]
WARM: Final = ("duckdb", "scipy.sparse.csgraph", "dagster._core.execution.execute_in_process")
_CHANGES: Final = frozenset({"os.rename", "os.remove", "os.mkdir"})


def lake_in(folder: Path) -> ParquetLake:
    """The lake of that folder."""
    return ParquetLake(DirectoryStore(folder / "lake"), folder / "mirror")


def materialize_and_die(steps: Mapping[Path, int]) -> list[int]:
    """The signal or exit code with which the process of each folder ended."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.servers.killable_rings",
            *(f"{folder}:{step}" for folder, step in steps.items()),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [int(word) for word in done.stdout.split()]


def main(*pairs: str) -> None:
    # Once for all processes; in threads of its own OpenBLAS would keep them from being forked.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    for module in WARM:
        importlib.import_module(module)
    for pair in pairs:
        folder, _, step = pair.rpartition(":")
        # Nothing that starts threads was used yet, so that a forked process is a whole one.
        child = os.fork()
        if child == 0:
            os.dup2(2, 1)  # Dagster's log
            die_before(int(step), Path(folder) / "lake")
            materialize(Path(folder))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - read by the test


def die_before(step: int, folder: Path) -> None:
    """Kill this process before that change to a file or folder below the folder."""
    taken = 0

    def count(event: str, values: tuple[object, ...]) -> None:
        nonlocal taken
        is_change = event in _CHANGES or (event == "open" and "x" in str(values[1]))
        if is_change and str(values[0]).startswith(f"{folder}/"):
            taken += 1
            if taken == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def materialize(folder: Path) -> None:
    lake = lake_in(folder)
    dg.materialize(
        [fraud_rings],
        resources={
            "ring_sources": LakeRingSources(lake),
            "ring_snapshots": LakeRingSnapshots(lake),
            "reports": DuckDbReports(DuckDbWarehouse(folder), folder / "reports", lake),
            "clock": FakeClock(datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC)),
        },
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
