"""Ingest of deposit files against DuckDB's bare copy and read, pydantic, and itself.

CPU time, not wall time: on a shared machine it is what an engine costs. `CARDOPS_BENCH_ROWS` sets
the rows of the large file (10,000,000 unless given); the small one has a tenth of them.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

import polars as pl

from benchmarks.harness import Benchmark, Sides
from benchmarks.ingest_file import Measured

ROWS: Final = int(os.environ.get("CARDOPS_BENCH_ROWS", "10000000"))
HEADER: Final = "user_id,amount,deposit_id,timestamp,currency\n"
_CHUNK_ROWS: Final = 500_000
# One row in a hundred is refused, in turn for each of these.
_BAD_LINES: Final = (
    "u 1,25.00,d{},2026-11-20T10:00:00Z,USD",
    "u1,25.005,d{},2026-11-20T10:00:00Z,USD",
    "u1,-1,d{},2026-11-20T10:00:00Z,USD",
    "u1,0,d{},2026-11-20T10:00:00Z,USD",
    "u1,1e3,d{},2026-11-20T10:00:00Z,USD",
    "u1,25.00,d{},2026-13-20T10:00:00Z,USD",
    "u1,25.00,d{},2030-11-20T10:00:00Z,USD",
    "u1,25.00,d{},2026-11-20T10:00:00Z,XXX",
    "u1,,d{},2026-11-20T10:00:00Z,USD",
    "u1,99999999999999999999,d{},2026-11-20T10:00:00Z,USD",
)
# What a hostile file has beside them, one line in twenty.
_HOSTILE_LINES: Final = (
    '"u1","25.00","d{}","2026-11-20T10:00:00Z","USD"',
    '"u\n1",25.00,d{},2026-11-20T10:00:00Z,USD',
    '"u""1",25.00,d{},2026-11-20T10:00:00Z,USD',
    '"u1,25.00,d{},2026-11-20T10:00:00Z,USD',
    "u1,25.00,d{}",
    "u1,25.00,d{},2026-11-20T10:00:00Z,USD,more,fields",
    "u1\0,25.00,d{},2026-11-20T10:00:00Z,USD",
    f"{chr(0xDCFF)},25.00,d{{}},2026-11-20T10:00:00Z,USD",
    " u1\t, 25.00 ,d{}, 2026-11-20 10:00:00+01:00 ,USD",
    "u1,25.00,d{},2026-11-20T10:00:00Z,USD,4111 1111 1111 1111",
)


def write_file(path: Path, rows: int, *, is_hostile: bool = False) -> None:
    """A deposit file of 54 bytes a row; the same rows on every machine."""
    generator = random.Random(7)  # noqa: S311 - reproducible rows
    with path.open("wb") as target:
        target.write(HEADER.encode())
        for start in range(0, rows, _CHUNK_ROWS):
            lines = _good_lines(start, min(_CHUNK_ROWS, rows - start))
            _spoil(lines, _BAD_LINES, start, generator.randrange(100), every=100)
            if is_hostile:
                _spoil(lines, _HOSTILE_LINES, start, generator.randrange(20), every=20)
            target.write(("\n".join(lines) + "\n").encode("utf-8", "surrogateescape"))


def _spoil(
    lines: list[str], patterns: tuple[str, ...], start: int, first: int, *, every: int
) -> None:
    for index in range(first, len(lines), every):
        lines[index] = patterns[index // every % len(patterns)].format(start + index)


def _good_lines(start: int, rows: int) -> list[str]:
    number = pl.int_range(start, start + rows, dtype=pl.Int64)
    second = (number * 7_919 % 86_400).cast(pl.Int64)
    line = pl.format(
        "u{},{}.{},dep-{},2026-11-20T{}:{}:{}Z,USD",
        number * 48_271 % 430_000,
        number * 31 % 900 + 10,
        (number % 100).cast(pl.String).str.zfill(2),
        (number + 100_000_000).cast(pl.String),
        *((second // by % of).cast(pl.String).str.zfill(2) for by, of in _CLOCK),
    )
    return list(pl.select(line).to_series())


_CLOCK: Final = ((3_600, 24), (60, 60), (1, 60))


def measured(engine: str, path: Path) -> Measured:
    """One run in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.ingest_file", engine, str(path)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)  # noqa: S603 - our own module
    return Measured(**json.loads(done.stdout))


def _rows_per_second(engine: str, path: Path) -> float:
    result = measured(engine, path)
    return result.rows / result.cpu_seconds


def _against(limit: str, rows: int) -> Callable[[], AbstractContextManager[Sides]]:
    @contextmanager
    def sides() -> Iterator[Sides]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "deposits.csv"
            write_file(path, rows)
            # pydantic's rate does not depend on the rows; ten million would take minutes.
            small = Path(folder) / "small.csv"
            write_file(small, min(rows, 200_000))
            yield Sides(
                ours=lambda: _rows_per_second("cardops", path),
                limit=lambda: _rows_per_second(limit, small if limit == "pydantic" else path),
            )

    return sides


@contextmanager
def _memory() -> Iterator[Sides]:
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder) / "large.csv", Path(folder) / "small.csv"
        write_file(large, ROWS)
        write_file(small, ROWS // 10)
        yield Sides(
            ours=lambda: measured("cardops", large).peak_mb,
            limit=lambda: measured("cardops", small).peak_mb,
        )


@contextmanager
def _hostile() -> Iterator[Sides]:
    with tempfile.TemporaryDirectory() as folder:
        hostile, clean = Path(folder) / "hostile.csv", Path(folder) / "clean.csv"
        write_file(hostile, ROWS // 10, is_hostile=True)
        write_file(clean, ROWS // 10)
        yield Sides(
            ours=lambda: measured("cardops", hostile).cpu_seconds,
            limit=lambda: measured("cardops", clean).cpu_seconds,
        )


BENCHMARKS: Final = [
    Benchmark(
        "ingest_vs_duckdb_copy", "rows/CPU s", "at least 0.40", _against("duckdb_copy", ROWS)
    ),
    Benchmark("ingest_vs_duckdb_read", "rows/CPU s", "report", _against("duckdb_read", ROWS)),
    Benchmark("ingest_vs_pydantic", "rows/CPU s", "at least 30", _against("pydantic", ROWS)),
    Benchmark("ingest_memory_10m_vs_1m", "MB", "at most 1.3, 800 MB", _memory, rounds=1),
    Benchmark("ingest_hostile_vs_clean", "CPU s", "at most 1.5", _hostile),
]
