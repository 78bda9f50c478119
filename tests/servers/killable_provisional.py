"""Posts what disputes give back, for each program in a process that dies at another step: a script.

Arguments: the database's URL, the lake's folder, the day, and pairs of program and step. A step is a
transaction on the database: the process dies before it, or when it is to be committed. A step that
begins with `d` is one of approving the dispute c-1.
"""

import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import holidays  # noqa: F401 - half a second, once instead of in each child

from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.adapters.postgresql.transactions import TransactionRunner
from cardops.adapters.warehouse.lake import ParquetLake
from cardops.rules.provisional.records import DecisionKind
from cardops.services.provisional.deciding import DecisionRequest
from tests.factories.disputed_purchases import DisputeDesk

ROOT = Path(__file__).resolve().parents[2]


def die_at_steps(url: str, folder: Path, on: date, steps: "dict[str, int | str]") -> "list[int]":
    """The signal or exit code with which the process of each program ended."""
    pairs = [f"{program}:{step}" for program, step in steps.items()]
    done = subprocess.run(
        [sys.executable, "-m", "tests.servers.killable_provisional", url, folder, str(on), *pairs],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [int(word) for word in done.stdout.split()]


def main(url: str, folder: str, on: str, *pairs: str) -> None:
    for pair in pairs:
        program, _, step = pair.partition(":")
        # Nothing that starts threads was used yet, so that a forked process is a whole one.
        child = os.fork()
        if child == 0:
            desk = a_desk(url, Path(folder), program)
            die_at(int(step.removeprefix("d")))
            if step.startswith("d"):
                desk.decisions.decide(approval(desk), date.fromisoformat(on))
            else:
                desk.post(date.fromisoformat(on))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - read by the test


def approval(desk: DisputeDesk) -> DecisionRequest:
    """A person lets the user have the money of the dispute c-1."""
    return DecisionRequest(desk.key("c-1"), DecisionKind.APPROVED, "ben", "looked at it")


def a_desk(url: str, folder: Path, program: str) -> DisputeDesk:
    """A desk whose lake another process reads as well."""
    return DisputeDesk(url, program, ParquetLake(DirectoryStore(folder / program), folder))


def die_at(step: int) -> None:
    """Kill this process at that step, counted from here."""
    taken = 0

    def count() -> None:
        nonlocal taken
        taken += 1
        if taken == step:
            os.kill(os.getpid(), signal.SIGKILL)

    run = TransactionRunner.run_unretried

    def counted(self: TransactionRunner, operation: Any) -> Any:
        def with_end(session: Any) -> Any:
            result = operation(session)
            count()
            return result

        count()
        return run(self, with_end)

    TransactionRunner.run_unretried = counted  # type: ignore[method-assign] # dies at a step


if __name__ == "__main__":
    main(*sys.argv[1:])
