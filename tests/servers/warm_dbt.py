"""dbt's processes, forked from one that has imported dbt, which costs more than a small build.

Belongs here: what a process of its own has by itself: environment, folder, output, exit code. It runs what
`python -m cardops.adapters.warehouse.dbt_process` runs. Who starts dbt as a program, as Dagster does,
starts dbt_client.py.
"""

import json
import multiprocessing
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import pytest

from cardops.adapters.warehouse.dbt import PROJECT_DIR, DbtFailedError, project_environment
from tests.servers.dbt_client import run_in

# What a build imports; nothing of it starts a thread.
_IMPORTED = (
    "cardops.adapters.warehouse.dbt_process",
    "dbt.cli.main",
    "dbt.adapters.duckdb",
    "dbt.adapters.duckdb.environments.local",
    "dbt.compilation",
    "dbt.graph.thread_pool",
    "dbt.parser.sql",
    "dbt.task.build",
    "dbt_common.clients.agate_helper",
)
_CLIENT = Path(__file__).with_name("dbt_client.py")


@dataclass(frozen=True)
class WarmDbt:
    """Runs dbt in one process after another."""

    address: Path

    @property
    def command(self) -> tuple[str, ...]:
        """The command line that runs dbt here, from anywhere."""
        # Without packages, as it needs none: it is started in 20 ms.
        return (sys.executable, "-I", "-S", str(_CLIENT), str(self.address))

    def run(self, arguments: list[str], environment: Mapping[str, str]) -> None:
        """Run dbt on the project with these variables. Raises DbtFailedError."""
        variables = {**os.environ, **project_environment(), **environment}
        with tempfile.TemporaryFile("w+") as output:
            code = run_in(
                self.address, arguments, variables, PROJECT_DIR, (output.fileno(), output.fileno())
            )
            output.seek(0)
            if code:
                raise DbtFailedError(f"dbt {arguments[0]} failed: {output.read()}")


@contextmanager
def warm_dbt() -> Iterator[WarmDbt]:
    """dbt, imported once for all runs of the block."""
    here, there = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        address = Path(folder, "dbt.sock")
        context = multiprocessing.get_context("spawn")
        server = context.Process(target=_serve, args=(there, str(address)))
        server.start()
        there.close()
        here.recv()  # it listens
        try:
            yield WarmDbt(address)
        finally:
            here.close()
            server.join()


@contextmanager
def every_dbt_is_warm() -> Iterator[WarmDbt]:
    """In the block, dbt that Cardops starts is forked from one that has imported it."""
    with warm_dbt() as dbt, pytest.MonkeyPatch.context() as patch:
        patch.setattr("cardops.adapters.warehouse.dbt.dbt_command", lambda: dbt.command)
        yield dbt


def _serve(lifeline: "Connection[Any, Any]", address: str) -> None:
    # A process with threads cannot be forked safely, and OpenBLAS would start some.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    for module in _IMPORTED:
        import_module(module)
    assert len([*Path("/proc/self/task").iterdir()]) == 1, (
        "dbt's imports start threads: do not fork"
    )
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        lifeline.send("listening")
        # The end of the block closes the lifeline.
        while wait([lifeline, listening]) == [listening]:
            client, _ = listening.accept()
            with client:
                _serve_one(client)


def _serve_one(client: socket.socket) -> None:
    message, outputs, _, _ = socket.recv_fds(client, 8, 2)
    length = int.from_bytes(message, "big")
    asked = json.loads(client.recv(length, socket.MSG_WAITALL))
    process = os.fork()
    if not process:
        _run(asked["arguments"], asked["environment"], asked["folder"], outputs)
    for output in outputs:
        os.close(output)
    _, status = os.waitpid(process, 0)
    client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _run(
    arguments: Sequence[str], environment: Mapping[str, str], folder: str, outputs: Sequence[int]
) -> None:
    """Run dbt, which ends this process."""
    from cardops.adapters.warehouse import dbt_process  # noqa: PLC0415 - imported already

    for descriptor, output in enumerate(outputs, start=1):
        os.dup2(output, descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["dbt", *arguments]
    dbt_process.main()
