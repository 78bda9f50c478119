"""`python -m benchmarks [NAME…]`: run the named benchmarks, or all, and print the table.

`python -m benchmarks growth [DECISIONS]` measures what decisions leave behind instead, and
`python -m benchmarks idle [HOME [SECONDS]]` what a running `cardops up` costs; `python -m benchmarks
simulated_year HOME [DAYS]` what a year leaves behind, `python -m benchmarks room_pages YOUNG OLD` and
`python -m benchmarks sensor_ticks YOUNG OLD` how quick the pages and the sensors of two such homes are.
"""

import importlib
import sys
from typing import Final

from benchmarks import (
    arrival,
    authorizer_actions,
    authorizer_credit,
    authorizer_http,
    authorizer_store,
    block_latency,
    books,
    callback_drain,
    chargeback_files,
    credit_whole_file,
    ingest,
    judging_history,
    list_endpoints,
    log_export,
    marts,
    rings,
    sftp_delivery,
    small_files,
    sweeper,
)
from benchmarks.harness import run_all, show

# These take arguments of their own, and print what they measured themselves.
ALONE: Final = ("growth", "idle", "room_pages", "sensor_ticks", "simulated_year")
ALL = [
    *authorizer_store.BENCHMARKS,
    *authorizer_http.BENCHMARKS,
    *authorizer_credit.BENCHMARKS,
    *credit_whole_file.BENCHMARKS,
    *callback_drain.BENCHMARKS,
    *authorizer_actions.BENCHMARKS,
    *sweeper.BENCHMARKS,
    *block_latency.BENCHMARKS,
    *list_endpoints.BENCHMARKS,
    *ingest.BENCHMARKS,
    *books.BENCHMARKS,
    *log_export.BENCHMARKS,
    *judging_history.BENCHMARKS,
    *marts.BENCHMARKS,
    *small_files.BENCHMARKS,
    *chargeback_files.BENCHMARKS,
    *sftp_delivery.BENCHMARKS,
    *rings.BENCHMARKS,
    *arrival.BENCHMARKS,
]


def main() -> None:
    """Exits with a message if a name is unknown."""
    if sys.argv[1:2] and sys.argv[1] in ALONE:
        # By name, because the pages of a room need the test tools.
        importlib.import_module(f"benchmarks.{sys.argv[1]}").main(sys.argv[2:])
        return
    names = set(sys.argv[1:])
    unknown = names - {benchmark.name for benchmark in ALL}
    if unknown:
        known = "\n  ".join(benchmark.name for benchmark in ALL)
        sys.exit(f"Unknown benchmark {', '.join(sorted(unknown))}; choose from:\n  {known}")
    selected = [benchmark for benchmark in ALL if not names or benchmark.name in names]
    show(list(run_all(selected)))


if __name__ == "__main__":
    main()
