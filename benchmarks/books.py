"""Reconciliation of closing balances with the transaction log, against DuckDB's bare aggregate and itself.

CPU time, in processes of their own. `CARDOPS_BENCH_LOG_ROWS` sets the rows of the log (100,000,000 unless
given); there is one user for twenty rows, and each of 80 dates has a like share of the rows. The memory
limit is 512 MB at 100,000,000 rows, and its share at fewer, but at least 128 MB.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import duckdb

from benchmarks.harness import Benchmark, Sides

FULL_SIZE: Final = 100_000_000
ROWS: Final = int(os.environ.get("CARDOPS_BENCH_LOG_ROWS", str(FULL_SIZE)))
ROWS_A_USER: Final = 20
DAYS: Final = 80
FIRST: Final = date(2026, 1, 1)
LAST: Final = FIRST + timedelta(days=DAYS - 1)
OPENING: Final = LAST - timedelta(days=1)
MEMORY_MB: Final = max(512 * ROWS // FULL_SIZE, 128)
_RUNS: Final = "benchmarks.books_run"
# As the export writes it: sorted by account, in row groups of 100,000.
_LOG_OF_A_DATE: Final = """
copy (
    select 'default' as program, case when n % 10 = 0 then 'deposit' else 'decision' end as kind,
        'txn-' || n as event_key, 'txn-' || n as transaction_id, 'user_' || u as user_id,
        'USD' as currency, a as amount_minor,
        case when n % 10 = 0 then 9 * a else -a end as posted_minor,
        case when n % 7 = 0 then a else 0 end as held_change_minor, 'PERMIT' as status,
        'sufficient_credit' as reason_code, true as is_capture, a as remaining_minor,
        n as ledger_seq, timestamptz '2026-01-01 12:00:00+00' as occurred_at,
        null::varchar as merchant_id, null::varchar as channel
    from (
        select n, hash(n) % {users} as u, (hash(n + 1) % 5000)::bigint + 1 as a
        from range({start}, {end}) as numbers (n)
    )
    order by user_id
) to '{target}' (format parquet, compression zstd, row_group_size 100000)
"""
_BALANCES_OF_A_DATE: Final = """
copy (
    select program, user_id, currency,
        sum(posted_minor - held_change_minor)::bigint as available_minor,
        sum(held_change_minor)::bigint as held_minor, sum(posted_minor)::bigint as ledger_minor,
        max(ledger_seq) as ledger_seq
    from read_parquet('{log}', hive_partitioning = true)
    where business_date <= '{day}' group by all order by user_id
) to '{target}' (format parquet, compression zstd)
"""


def write_lake(lake: Path, rows: int) -> None:
    """The log of all dates, and closing balances of the last two."""
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as session:
        session.execute(f"set memory_limit = '2GB'; set temp_directory = '{spill}'")
        for number in range(DAYS):
            bounds = {"start": rows * number // DAYS, "end": rows * (number + 1) // DAYS}
            target = _file(lake, "transaction_log", FIRST + timedelta(days=number))
            session.execute(
                _LOG_OF_A_DATE.format(users=rows // ROWS_A_USER, target=target, **bounds)
            ).fetchall()
        for day in (OPENING, LAST):
            log, target = lake / "transaction_log" / "*" / "*.parquet", _file(lake, "balances", day)
            session.execute(_BALANCES_OF_A_DATE.format(log=log, day=day, target=target)).fetchall()


def _file(lake: Path, table: str, day: date) -> Path:
    folder = lake / table / f"business_date={day}"
    folder.mkdir(parents=True)
    return folder / "snapshot.parquet"


def _measured(lake: Path, what: str) -> Callable[[], float]:
    def run() -> float:
        command = [sys.executable, "-m", _RUNS, what, str(lake), str(MEMORY_MB)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
        return float(done.stdout)

    return run


def _sides(ours: str, limit: str) -> Callable[[], AbstractContextManager[Sides]]:
    @contextmanager
    def sides() -> Iterator[Sides]:
        with tempfile.TemporaryDirectory() as folder:
            write_lake(Path(folder), ROWS)
            yield Sides(_measured(Path(folder), ours), _measured(Path(folder), limit))

    return sides


BENCHMARKS: Final = [
    Benchmark("reconcile_512mb_vs_duckdb", "CPU s", "<= 2.2", _sides("full", "bare")),
    Benchmark("reconcile_incremental_vs_full", "CPU s", "<= 0.10", _sides("carried", "full")),
]
