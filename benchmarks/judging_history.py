"""A file of 10,000 transactions on five years of history, against the same file on an empty lake.

A tenth of its rows repeat rows of the history and a tenth are their next version. Seconds of wall time,
in one process that is warm. `CARDOPS_BENCH_HISTORY_DAYS` and `CARDOPS_BENCH_HISTORY_ROWS` (a day) set
the history; its index is built from the lake, as after an upgrade.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import polars as pl

from benchmarks.bench_database import bench_database
from benchmarks.harness import Benchmark, Sides
from cardops.adapters.clock import SystemClock
from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.adapters.postgresql.intake.known_rows import PostgresKnownRows
from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.adapters.postgresql.intake.source_controls import PostgresSourceControls
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.adapters.warehouse.lake import ParquetLake
from cardops.contracts.judging.known_rows import Layout
from cardops.contracts.kinds.registry import KINDS
from cardops.rules.intake.files import Arrival, Kind
from cardops.services.intake.ingestion import ingest_file
from cardops.services.intake.known_rows import build
from cardops.services.intake.ports import IntakePorts

DAYS: Final = int(os.environ.get("CARDOPS_BENCH_HISTORY_DAYS", "1826"))
ROWS_A_DAY: Final = int(os.environ.get("CARDOPS_BENCH_HISTORY_ROWS", "2000"))
FILE_ROWS: Final = 10_000
PROFILE: Final = KINDS[Kind("transactions")]
HEADER: Final = "transaction_id,order_id,user_id,amount,currency,payment_method,status,created_at\n"
_FIRST_DAY: Final = date(2021, 1, 1)
# Above the ids of the files that are ingested here.
_FIRST_ID: Final = 1_000_000


@contextmanager
def _sides() -> Iterator[Sides]:
    numbers = count(1)
    with bench_database(1) as long, bench_database(1) as empty, _folder() as folder:
        history, nothing = (
            ports_of(long.url, folder / "long"),
            ports_of(empty.url, folder / "empty"),
        )
        _fill(history)
        for ports in (history, nothing):
            _seconds(ports, folder, next(numbers))
        yield Sides(
            lambda: _seconds(history, folder, next(numbers)),
            lambda: _seconds(nothing, folder, next(numbers)),
        )


@contextmanager
def _folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="cardops-bench-") as folder:
        yield Path(folder)


def ports_of(url: str, folder: Path) -> IntakePorts:
    """The ports over one database and folder."""
    return IntakePorts(
        raw_store=DirectoryStore(folder / "raw"),
        failed_store=DirectoryStore(folder / "failed"),
        lake=ParquetLake(DirectoryStore(folder / "lake"), folder / "mirror"),
        intake_ledger=PostgresIntakeLedger(url),
        known_rows=PostgresKnownRows(url),
        programs=PostgresPrograms(url),
        source_controls=PostgresSourceControls(url),
        clock=SystemClock(),
    )


def _fill(ports: IntakePorts) -> None:
    for day in range(DAYS):
        numbers = range(day * ROWS_A_DAY, (day + 1) * ROWS_A_DAY)
        rows = [_lake_row(number, row) for row, number in enumerate(numbers, start=1)]
        frame = pl.DataFrame(rows, schema=PROFILE.lake_table).with_columns(
            pl.lit(_FIRST_ID + day, pl.Int64).alias("intake_id")
        )
        ports.lake.write(PROFILE.kind, _FIRST_DAY + timedelta(days=day), f"{day:012d}", frame)
    build(Layout(PROFILE, KINDS), ports.lake, ports.known_rows)


def _lake_row(number: int, row: int) -> dict[str, object]:
    """The row of the history with that number, as `_line` writes it."""
    return {
        "program": "bench",
        "source_file": "history.csv",
        "row_number": row,
        "flags": ["order_unknown"],
        "transaction_id": f"txn-{number:09d}",
        "order_id": f"ord-{number:09d}",
        "user_id": f"u-{number % 9973}",
        "amount_minor": number % 9_000 + 100,
        "currency": "USD",
        "payment_method": "card",
        "status": "pending",
        "created_at": datetime(2026, 1, 1, 12, tzinfo=UTC),
    }


def _line(name: str, number: int, status: str) -> str:
    minor = number % 9_000 + 100
    return (
        f"txn-{name},ord-{name},u-{number % 9973},{minor // 100}.{minor % 100:02d},USD,card,"
        f"{status},2026-01-01T12:00:00Z\n"
    )


def _lines(file_number: int) -> Iterator[str]:
    past = max(DAYS * ROWS_A_DAY, 1)
    yield HEADER
    for row in range(FILE_ROWS):
        number = (row * 7919 + file_number * 104_729) % past
        if row % 5 == 0:
            yield _line(f"{number:09d}", number, "pending" if row % 10 else "completed")
        else:
            yield _line(f"new-{file_number}-{row}", number, "completed")


def _seconds(ports: IntakePorts, folder: Path, number: int) -> float:
    path, key = folder / "file.csv", f"incoming/transactions/bench/{number}.csv"
    path.write_text("".join(_lines(number)))
    ports.raw_store.create(key, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    arrival = Arrival(
        PROFILE.kind, "bench", ports.raw_store.url, key, digest, digest, path.stat().st_size
    )
    intake_file, _ = ports.intake_ledger.claim(arrival, ports.clock.now().date())
    begun = time.perf_counter()
    outcome = ingest_file(intake_file.intake_id, ports).outcome
    if outcome.quarantined:
        raise RuntimeError(f"{outcome.quarantined} rows were quarantined: {outcome}")
    return time.perf_counter() - begun


BENCHMARKS: Final = [
    Benchmark("judge_on_history_vs_empty", "s", "at most 1.3", _sides, rounds=7),
]
