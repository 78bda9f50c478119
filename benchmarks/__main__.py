"""`python -m benchmarks [NAME…]`: run the named benchmarks, or all, and print the table.

`python -m benchmarks growth [DECISIONS]` measures what decisions leave behind instead, and
`python -m benchmarks idle [HOME [SECONDS]]` what a running `cardops up` costs; `python -m benchmarks
simulated_year HOME [DAYS]` what a year leaves behind, `python -m benchmarks room_pages YOUNG OLD` how quick the pages of two
such homes are.
"""

import sys

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
    growth,
    idle,
    ingest,
    judging_history,
    list_endpoints,
    log_export,
    marts,
    rings,
    sftp_delivery,
    simulated_year,
    small_files,
    sweeper,
)
from benchmarks.harness import run_all, show

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
    if sys.argv[1:2] == ["simulated_year"]:
        simulated_year.main(sys.argv[2:])
        return
    if sys.argv[1:2] == ["room_pages"]:
        # Needs the test tools.
        from benchmarks import room_pages  # noqa: PLC0415

        room_pages.main(sys.argv[2:])
        return
    if sys.argv[1:2] == ["growth"]:
        growth.main(sys.argv[2:])
        return
    if sys.argv[1:2] == ["idle"]:
        idle.main(sys.argv[2:])
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
