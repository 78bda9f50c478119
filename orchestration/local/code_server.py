"""The code server of `cardops up`: Dagster's own, with runs that start from a warm process.

Dagster starts each run in a new interpreter, which imports for five CPU seconds before its first
step. Here a run is forked from a process that has already imported the slow modules (warm_runs). Everything
else (scheduling, termination, noticing a dead run) stays Dagster's.

Belongs here: the one private attribute of Dagster's server that is replaced.
tests/orchestration/test_private_dagster.py fails where a new version no longer has it.
"""

import functools
import multiprocessing
import os
from multiprocessing import forkserver
from typing import Any

from cardops.settings import Settings
from orchestration.local.instance import OWN_PROCESS_VARIABLE, end_leftover_runs, open_instance


def start_runs_warm() -> None:
    """Make gRPC servers of this process fork their runs from a warm process."""
    from dagster._grpc.server import DagsterApiServer  # noqa: PLC0415 - costs a second

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["orchestration.local.warm_runs"])
    original = DagsterApiServer.__init__

    @functools.wraps(original)
    def with_warm_runs(server: Any, *arguments: Any, **named: Any) -> None:
        original(server, *arguments, **named)
        # Dagster has no setting for it. If the attribute is renamed, runs are slow but correct.
        server._mp_ctx = context  # noqa: SLF001 - see above
        forkserver.ensure_running()

    DagsterApiServer.__init__ = with_warm_runs  # type: ignore[method-assign,assignment] # as above


def main() -> None:
    """`python -m orchestration.local.code_server …` takes the arguments of `dagster`.

    It is the first server of a home to start, so it creates Dagster's tables (two at once would
    fail) and ends the runs that a crash left open.
    """
    end_leftover_runs(open_instance(Settings.load()))
    os.environ[OWN_PROCESS_VARIABLE] = "1"
    start_runs_warm()
    from dagster._cli import main as dagster  # noqa: PLC0415 - as above

    dagster()  # type: ignore[no-untyped-call] # Dagster's own main


if __name__ == "__main__":
    main()
