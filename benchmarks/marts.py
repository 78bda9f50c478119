"""dbt builds of the marts: from the beginning against bare aggregates, and a day's against that.

CPU time, in processes of their own, publication included. `CARDOPS_BENCH_PAYMENTS` sets the number of
payments (10,000,000 unless given), of which a tenth are disputed; they are spread over a year.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.harness import Benchmark, Sides
from benchmarks.marts_lake import LAST, write_lake

PAYMENTS: Final = int(os.environ.get("CARDOPS_BENCH_PAYMENTS", "10000000"))
_LAST_DAY: Final = f"business_date={LAST}"


@contextmanager
def build_and_aggregates() -> Iterator[Sides]:
    """A build from the beginning with its publication, and the bare aggregates over the same lake."""
    with _folder_with_lake() as folder:
        yield Sides(
            ours=lambda: _whole_build(folder),
            limit=lambda: _seconds("aggregates", folder / "lake", folder / "home"),
        )


@contextmanager
def day_and_whole() -> Iterator[Sides]:
    """The build of the last day upon that of the day before, and the build of all days."""
    with _folder_with_lake() as folder:
        before, after = folder / "lake-before", folder / "lake"
        shutil.copytree(after, before, copy_function=os.link)
        for day in before.glob(f"*/{_LAST_DAY}"):
            shutil.rmtree(day)
        _seconds("build", before, folder / "home-before")

        def day_build() -> float:
            shutil.rmtree(folder / "home", ignore_errors=True)
            shutil.copytree(folder / "home-before", folder / "home", symlinks=True)
            return _seconds("build", after, folder / "home")

        yield Sides(ours=day_build, limit=lambda: _whole_build(folder))


@contextmanager
def _folder_with_lake() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cardops-bench-") as name:
        folder = Path(name)
        write_lake(folder / "lake", PAYMENTS)
        yield folder


def _whole_build(folder: Path) -> float:
    shutil.rmtree(folder / "home", ignore_errors=True)
    return _seconds("build", folder / "lake", folder / "home")


def _seconds(what: str, lake: Path, home: Path) -> float:
    command = [sys.executable, "-m", "benchmarks.marts_run", what, str(lake), str(home)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own
    return float(done.stdout)


BENCHMARKS: Final = (
    Benchmark("marts_build_vs_duckdb", "CPU seconds", "at most 3", build_and_aggregates),
    Benchmark("marts_incremental_vs_full", "CPU seconds", "at most 0.15", day_and_whole),
)
