"""Chargeback files of one batch against DuckDB's bare COPY of the same columns, and against itself.

CPU time, not wall time: on a shared machine it is what an engine costs. `CARDOPS_BENCH_ROWS` sets the
chargebacks of the large batch (1,000,000 unless given); the small one has a tenth of them.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import polars as pl

from benchmarks.harness import Benchmark, Sides
from benchmarks.ingest_file import Measured
from cardops.contracts.kinds.chargebacks import CHARGEBACKS

ROWS: Final = int(os.environ.get("CARDOPS_BENCH_ROWS", "1000000"))
NETWORKS: Final = ("visa", "mastercard", "amex", "discover")


def write_lake(path: Path, rows: int) -> None:
    """One batch of disputes in the lake, in the order of their arrival."""
    number = pl.int_range(0, rows, dtype=pl.Int64)
    # Cases arrive in no order.
    mixed = number * 48_271 % 1_000_003
    values = {
        "program": pl.lit("default"),
        "intake_id": pl.lit(1),
        "row_number": number + 1,
        "flags": pl.lit([], pl.List(pl.String)),
        "batch_id": pl.lit("default-2026-11-20-001"),
        "case_number": pl.format("case-{}-{}", mixed, number),
        "stage": pl.lit("chargeback"),
        "action_sequence": pl.lit(1),
        "network": pl.lit(pl.Series(NETWORKS)).gather(number % 4),
        "transaction_id": pl.format("txn-{}", number),
        "arn": pl.when(number % 3 > 0).then(pl.format("7{}", number + 10**15)),
        "merchant_id": pl.format("m-{}", number % 5_000),
        "merchant_name": pl.format("Shop {}", number % 5_000),
        "card_bin": pl.lit("411111"),
        "card_last4": (number % 9_000 + 1_000).cast(pl.String),
        "transaction_date": pl.lit(date(2026, 10, 1)),
        "transaction_amount_minor": number % 90_000 + 100,
        "transaction_currency": pl.lit("USD"),
        "dispute_amount_minor": number % 90_000 + 100,
        "dispute_currency": pl.lit("USD"),
        "dispute_date": pl.lit(date(2026, 11, 10)),
        "reason_code": pl.lit("10.4"),
        "reason_category": pl.lit("fraud"),
        "reason_text": pl.lit("Other fraud, card absent"),
        "status": pl.lit("open"),
        "reply_by_on": pl.lit(date(2026, 12, 10)),
        "clock": pl.lit("published"),
        "happened_at": pl.lit(datetime(2026, 11, 10, tzinfo=UTC)),
    }
    frame = pl.select(
        values.get(name, pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in CHARGEBACKS.lake_table.items()
    )
    frame.write_parquet(path, compression="zstd", row_group_size=100_000)


def measured(engine: str, lake: Path) -> Measured:
    """One run in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.chargeback_file", engine, str(lake)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)  # noqa: S603 - our own module
    return Measured(**json.loads(done.stdout))


@contextmanager
def _copy() -> Iterator[Sides]:
    with tempfile.TemporaryDirectory() as folder:
        lake = Path(folder) / "lake.parquet"
        write_lake(lake, ROWS)

        def rate(engine: str) -> float:
            result = measured(engine, lake)
            return result.rows / result.cpu_seconds

        yield Sides(ours=lambda: rate("cardops"), limit=lambda: rate("duckdb_copy"))


@contextmanager
def _memory() -> Iterator[Sides]:
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder) / "large.parquet", Path(folder) / "small.parquet"
        write_lake(large, ROWS)
        write_lake(small, ROWS // 10)
        yield Sides(
            ours=lambda: measured("cardops", large).peak_mb,
            limit=lambda: measured("cardops", small).peak_mb,
        )


BENCHMARKS: Final = [
    Benchmark("chargeback_files_vs_duckdb_copy", "rows/CPU s", "at least 0.50", _copy),
    Benchmark("chargeback_memory_1m_vs_100k", "MB", "at most 1.3", _memory, rounds=1),
]
