"""Recalls or reinstates files, each in a process that dies at another step: run as a script.

Arguments: the database's URL, the folder of the stores, `recall` or `reinstate`, and pairs of intake id
and step. A step is a transaction on the database or a write to the lake; the process dies before it.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from cardops.adapters.postgresql.transactions import TransactionRunner
from cardops.adapters.warehouse.lake import ParquetLake
from tests.factories.deposit_desk import DepositDesk

ROOT = Path(__file__).resolve().parents[2]


def die_at_steps(url: str, folder: Path, action: str, steps: "dict[int, int]") -> "list[int]":
    """The signal or exit code with which the process of each file ended."""
    pairs = [f"{intake_id}:{step}" for intake_id, step in steps.items()]
    done = subprocess.run(
        [sys.executable, "-m", "tests.servers.killable_recall", url, str(folder), action, *pairs],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [int(word) for word in done.stdout.split()]


def main(url: str, folder: str, action: str, *pairs: str) -> None:
    for pair in pairs:
        intake_id, step = map(int, pair.split(":"))
        # Nothing that starts threads was used yet, so that a forked process is a whole one.
        child = os.fork()
        if child == 0:
            die_before(step)
            getattr(DepositDesk(url, Path(folder)), action)(intake_id)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - read by the test


def die_before(step: int) -> None:
    """Kill this process at that transaction or write to the lake, counted from here."""
    taken = 0

    def count() -> None:
        nonlocal taken
        taken += 1
        if taken == step:
            os.kill(os.getpid(), signal.SIGKILL)

    run, write_file = TransactionRunner.run_unretried, ParquetLake.write_file

    def counted_run(self: TransactionRunner, operation: Any) -> Any:
        count()
        return run(self, operation)

    def counted_write(self: ParquetLake, *arguments: Any) -> str:
        count()
        return write_file(self, *arguments)

    TransactionRunner.run_unretried = counted_run  # type: ignore[method-assign] # dies at a step
    ParquetLake.write_file = counted_write  # type: ignore[method-assign] # dies at a step


if __name__ == "__main__":
    main(*sys.argv[1:])
