"""`python -m benchmarks [NAME]`: run all, or one, and print the table."""

import sys

from benchmarks import authorizer_credit, authorizer_http, authorizer_store, callback_drain
from benchmarks.harness import run_all, show

ALL = [
    *authorizer_store.BENCHMARKS,
    *authorizer_http.BENCHMARKS,
    *authorizer_credit.BENCHMARKS,
    *callback_drain.BENCHMARKS,
]


def main() -> None:
    """Exit 2 where the name is unknown."""
    wanted = set(sys.argv[1:])
    unknown = wanted - {benchmark.name for benchmark in ALL}
    if unknown:
        names = "\n  ".join(benchmark.name for benchmark in ALL)
        sys.exit(f"There is no benchmark {', '.join(sorted(unknown))}; there are:\n  {names}")
    show(list(run_all([one for one in ALL if not wanted or one.name in wanted])))


if __name__ == "__main__":
    main()
