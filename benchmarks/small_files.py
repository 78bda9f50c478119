"""Many transaction files of ten rows, ingested by one run, against one file with as many rows.

Seconds of wall time in a warm process; claims are not in it. `CARDOPS_BENCH_SMALL_FILES` sets the files.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.bench_database import bench_database
from benchmarks.harness import Benchmark, Sides
from benchmarks.judging_history import HEADER, PROFILE, ports_of
from cardops.rules.intake.files import Arrival, IntakeFile
from cardops.services.intake.ingestion import ingest_files
from cardops.services.intake.ports import IntakePorts

FILES: Final = int(os.environ.get("CARDOPS_BENCH_SMALL_FILES", "1000"))
ROWS_A_FILE: Final = 10


@contextmanager
def _sides() -> Iterator[Sides]:
    numbers = count(1)
    with bench_database(1) as bench, TemporaryDirectory(prefix="cardops-bench-") as folder:
        ports = ports_of(bench.url, Path(folder))
        _seconds(ports, Path(folder), numbers, files=1, rows=ROWS_A_FILE)
        yield Sides(
            lambda: _seconds(ports, Path(folder), numbers, files=FILES, rows=ROWS_A_FILE),
            lambda: _seconds(ports, Path(folder), numbers, files=1, rows=FILES * ROWS_A_FILE),
        )


def _seconds(
    ports: IntakePorts, folder: Path, numbers: Iterator[int], *, files: int, rows: int
) -> float:
    claimed = [_claimed(ports, folder, next(numbers), rows) for _ in range(files)]
    begun = time.perf_counter()
    results = ingest_files(claimed, [], ports)
    seconds = time.perf_counter() - begun
    accepted = sum(result.outcome.accepted for result in results)
    if accepted != files * rows:
        raise RuntimeError(f"{accepted} of {files * rows} rows were accepted")
    return seconds


def _claimed(ports: IntakePorts, folder: Path, number: int, rows: int) -> IntakeFile:
    path, key = folder / "file.csv", f"incoming/transactions/bench/{number}.csv"
    lines = (
        f"txn-{number}-{row},ord-{row},u-1,5.00,USD,card,pending,2026-01-01T12:00:00Z\n"
        for row in range(rows)
    )
    path.write_text(HEADER + "".join(lines))
    ports.raw_store.create(key, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    arrival = Arrival(
        PROFILE.kind, "bench", ports.raw_store.url, key, digest, digest, path.stat().st_size
    )
    return ports.intake_ledger.claim(arrival, ports.clock.now().date())[0]


BENCHMARKS: Final = [
    Benchmark("small_files_vs_one", "s", "at most 5", _sides),
]
