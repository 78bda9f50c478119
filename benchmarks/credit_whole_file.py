"""A deposit file from its claim to its last credit, against COPY of its rows into a staging table.

`CARDOPS_BENCH_CREDIT_ROWS` sets the file's rows; the goal is meant for the default.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import psycopg

from benchmarks.bench_database import bench_database
from benchmarks.harness import Benchmark, Sides
from benchmarks.judging_history import ports_of
from cardops.adapters.postgresql.accounts.deposits import PostgresDepositLedger
from cardops.adapters.postgresql.connection import connect
from cardops.rules.intake.files import Arrival, Kind
from cardops.services.intake.applying import CreditDeposits
from cardops.services.intake.ingestion import ingest_file
from cardops.services.intake.ports import IntakePorts

ROWS: Final = int(os.environ.get("CARDOPS_BENCH_CREDIT_ROWS", "1000000"))
USERS: Final = max(ROWS * 43 // 100, 1)
_STAGING: Final = (
    "create unlogged table bench_staging (row_number bigint not null, deposit_id text not null,"
    " user_id text not null, currency text not null, amount_minor bigint not null,"
    " occurred_at timestamptz not null)"
)


@contextmanager
def _sides() -> Iterator[Sides]:
    numbers = count(1)
    with bench_database(1) as bench, TemporaryDirectory(prefix="cardops-bench-") as folder:
        ports = _ports(bench.url, Path(folder))
        yield Sides(
            lambda: _credited_per_second(ports, Path(folder), next(numbers)),
            lambda: _copied_per_second(bench.url),
        )


def _ports(url: str, folder: Path) -> IntakePorts:
    appliers = {"deposit_ledger": CreditDeposits(PostgresDepositLedger(url))}
    return replace(ports_of(url, folder), appliers=appliers)


def _credited_per_second(ports: IntakePorts, folder: Path, number: int) -> float:
    path, key = folder / "deposits.csv", f"incoming/deposits/bench/{number}.csv"
    with path.open("w") as file:
        file.write("user_id,amount,deposit_id,timestamp\n")
        file.writelines(
            f"u-{n * 7919 % USERS},{n % 1000}.25,d{number}-{n},2026-01-01T12:00:00Z\n"
            for n in range(ROWS)
        )
    ports.raw_store.create(key, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    arrival = Arrival(
        Kind("deposits"), "bench", ports.raw_store.url, key, digest, digest, path.stat().st_size
    )
    intake_file, _ = ports.intake_ledger.claim(arrival, ports.clock.now().date())
    begun = time.perf_counter()
    outcome = ingest_file(intake_file.intake_id, ports).outcome
    if outcome.accepted != ROWS:
        raise RuntimeError(f"{ROWS - outcome.accepted} rows were not credited: {outcome}")
    return ROWS / (time.perf_counter() - begun)


def _copied_per_second(url: str) -> float:
    rows = "".join(
        f"{n},d-{n},u-{n * 7919 % USERS},USD,{n % 1000}25,2026-01-01 12:00:00+00\n"
        for n in range(ROWS)
    ).encode()
    with connect(url) as session:
        session.execute("drop table if exists bench_staging")
        begun = time.perf_counter()
        _copy(session, rows)
        return ROWS / (time.perf_counter() - begun)


def _copy(session: psycopg.Connection, rows: bytes) -> None:
    with session.transaction():
        session.execute(_STAGING)
        with session.cursor().copy("copy bench_staging from stdin (format csv)") as copy:
            copy.write(rows)


BENCHMARKS: Final = [
    Benchmark("credit_vs_copy", "rows/s", "at least 0.10", _sides),
]
