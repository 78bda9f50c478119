"""Export of a date's transaction log to Parquet against the server's own COPY BINARY to /dev/null.

Both send the same query, so both sort. Rows per second of wall time: the work is the server's and
ours, at the same time. `CARDOPS_BENCH_EXPORT_ROWS` sets the rows of the date (2,000,000 unless given).
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from psycopg import sql

from benchmarks.bench_database import bench_database
from benchmarks.harness import Benchmark, Sides
from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.reconciliation.transaction_log import (
    PostgresTransactionLog,
    day_query,
)

ROWS: Final = int(os.environ.get("CARDOPS_BENCH_EXPORT_ROWS", "2000000"))
USERS: Final = 100_000
DAY: Final = date(2026, 3, 1)
_DECISIONS: Final = """
insert into decisions (
    program, transaction_id, authorization_id, question_hash, user_id, currency, amount_minor,
    is_capture, status, reason_code, remaining_minor, ledger_seq, answer, details, decided_at
)
select 'bench', 'txn-' || n, 'auth-' || n, '', 'u-' || (n::bigint * 7919 % %s + 1), 'USD', n % 5000 + 1,
    n % 10 <> 0, 'PERMIT', 'sufficient_credit', 100, n, '',
    case when n % 3 = 0 then '{"channel": "pos", "merchant": {"id": "m-1"}}'::jsonb end,
    %s + n * interval '1 millisecond'
from generate_series(1, %s) as n
"""


@contextmanager
def _sides() -> Iterator[Sides]:
    noon = datetime(2026, 3, 1, 1, tzinfo=UTC)
    with bench_database(USERS) as server, tempfile.TemporaryDirectory() as folder:
        with connect(server.url) as session:
            statement = _DECISIONS.replace(" % ", " %% ")
            session.execute(statement.encode(), [USERS, noon, ROWS])
            session.execute("vacuum analyze decisions")
        log = PostgresTransactionLog(server.url)
        yield Sides(
            _rate(lambda: log.export(DAY, Path(folder) / "day.parquet")),
            _rate(lambda: _copy_binary(server.url)),
        )


def _copy_binary(url: str) -> None:
    with connect(url) as session:
        copy = sql.SQL("copy ({}) to '/dev/null' (format binary)").format(day_query(DAY))
        session.execute(copy)


def _rate(work: Callable[[], object]) -> Callable[[], float]:
    def run() -> float:
        began = time.monotonic()
        work()
        return ROWS / (time.monotonic() - began)

    return run


BENCHMARKS: Final = [Benchmark("export_vs_copy_binary", "rows/s", ">= 0.7", _sides)]
