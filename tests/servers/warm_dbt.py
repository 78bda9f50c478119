"""dbt's processes, forked from one that has imported dbt, which costs more than a small build.

Belongs here: what a process of its own has by itself: environment, output, exit code. It runs what
`python -m cardops.adapters.warehouse.dbt_process` runs.
"""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

from cardops.adapters.warehouse.dbt import DbtFailedError, project_environment


class WarmDbt:
    """Runs dbt in one process after another."""

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self._connection = connection

    def run(self, arguments: list[str], environment: dict[str, str]) -> None:
        """Run dbt on the project with these variables. Raises DbtFailedError."""
        self._connection.send((arguments, {**project_environment(), **environment}))
        code, output = self._connection.recv()
        if code:
            raise DbtFailedError(f"dbt {arguments[0]} failed: {output}")


@contextmanager
def warm_dbt() -> Iterator[WarmDbt]:
    """dbt, imported once for all runs of the block."""
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(there,))
    server.start()
    there.close()
    try:
        yield WarmDbt(here)
    finally:
        here.close()
        server.join()


def _serve(connection: "Connection[Any, Any]") -> None:
    # A process with threads cannot be forked safely, and OpenBLAS would start some.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"

    with suppress(EOFError):  # the block ended
        while True:
            arguments, environment = connection.recv()
            with tempfile.TemporaryFile("w+") as output:
                process = os.fork()
                if not process:
                    _run(arguments, environment, output.fileno())
                _, status = os.waitpid(process, 0)
                output.seek(0)
                connection.send((os.waitstatus_to_exitcode(status), output.read()))


def _run(arguments: Sequence[str], environment: Mapping[str, str], output: int) -> None:
    """Run dbt, which ends this process."""
    from cardops.adapters.warehouse import dbt_process  # noqa: PLC0415 - in this process alone

    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.update(environment)
    sys.argv = ["dbt", *arguments]
    dbt_process.main()
