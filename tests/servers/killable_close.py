"""Closes books or ingests a file, each time in a process that dies at another step: run as a script.

Arguments: the database's URL and the home. Each line on standard input names an action (`close`, or
`ingest:<intake id>`) and a step; the signal or exit code of the process is printed. Steps are those of
tests.servers.killable_recall.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cardops.services.intake.ingestion import ingest_file
from cardops.services.reconciliation.reconciling import Extent
from orchestration.composition import intake_ports_of, reconciliation_of
from orchestration.proving.specimen import close_books
from tests.factories.busy_days import adapters_of
from tests.servers.killable_recall import ROOT, die_before


class DyingProcesses:
    """Runs an action to its end, or to the step before which its process is killed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, action: str, step: int) -> int:
        """The signal or exit code with which the process ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{action} {step}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def dying_processes(url: str, home: Path) -> Iterator[DyingProcesses]:
    """One start of the interpreter for all of them."""
    command = [sys.executable, "-m", "tests.servers.killable_close", url, str(home)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield DyingProcesses(process)
        finally:
            process.kill()


def main(url: str, home: str) -> None:
    for line in sys.stdin:
        action, step = line.split()
        # Nothing that starts threads was used yet, so that a forked process is a whole one.
        child = os.fork()
        if child == 0:
            die_before(int(step))
            act(url, Path(home), action)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - read by the test


def act(url: str, home: Path, action: str) -> None:
    adapters = adapters_of(url, home)
    if action == "close":
        today = datetime.now(UTC).date()
        close_books(adapters, today)
        reconciliation_of(adapters).reconcile_closed(today, Extent.CHANGES)
    else:
        ingest_file(int(action.partition(":")[2]), intake_ports_of(adapters))


if __name__ == "__main__":
    main(*sys.argv[1:])
