"""The code location's server of `cardops up`: Dagster's own, but its runs start warm.

Dagster starts each run in a new interpreter, which imports for five CPU seconds before its first
step. Here a run is forked from a process that has imported the slow part already. Everything
else (who runs what, ending a run, telling that one died) stays Dagster's.
"""

import functools
import multiprocessing
from multiprocessing import forkserver
from typing import Any, Final

from cardops.settings import Settings
from orchestration.local.instance import end_leftover_runs, open_instance

# What is slow to import and starts no thread: only a process of one thread is safe to fork.
# numpy, polars, pyarrow and so our own definitions do start some; they stay the run's part.
WARM: Final = (
    "dagster",
    "dagster._cli",
    "dagster._grpc.server",
    "dagster_postgres",
    "dagster_dbt",
    "boto3",
    "asyncssh",
    "duckdb",
    "obstore",
    "paramiko",
    "psycopg",
)


def start_runs_warm() -> None:
    """From now on, a gRPC server of this process forks its runs from a warm process."""
    from dagster._grpc.server import DagsterApiServer  # noqa: PLC0415 - costs a second

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(WARM))
    made = DagsterApiServer.__init__

    @functools.wraps(made)
    def with_warm_runs(server: Any, *arguments: Any, **named: Any) -> None:
        made(server, *arguments, **named)
        # Dagster has no setting for it; under another name runs would be slow, not wrong.
        server._mp_ctx = context  # noqa: SLF001 - says the line above
        forkserver.ensure_running()

    DagsterApiServer.__init__ = with_warm_runs  # type: ignore[method-assign,assignment] # as above


def main() -> None:
    """`python -m orchestration.local.code_server …`: what `dagster` does with the same arguments.

    First of a home's servers, so it makes Dagster's tables (two at once would fail) and ends the
    runs that a crash left.
    """
    end_leftover_runs(open_instance(Settings.load()))
    start_runs_warm()
    from dagster._cli import main as dagster  # noqa: PLC0415 - as above

    dagster()  # type: ignore[no-untyped-call] # Dagster's own main


if __name__ == "__main__":
    main()
