"""Raises alarms of deadlines in processes that die at another step each: run as a script.

Arguments: the database's URL, a file for the alarms that were sent, and steps. A step is a transaction
on the database or the sending of an alarm; the process dies before it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from cardops.adapters.postgresql.chargebacks.dispute_alarms import PostgresDisputeAlarms
from cardops.adapters.postgresql.transactions import TransactionRunner
from cardops.contracts.lake.disputes import OPEN_DISPUTES
from cardops.ports import Disputes
from cardops.rules.chargebacks.queue import DisputeStep
from cardops.services.disputes.alarms import DeadlineAlarms
from tests.fakes.clock import FakeClock
from tests.fakes.disputes import FakeDisputeRecords
from tests.servers.file_notifier import FileNotifier

ROOT = Path(__file__).resolve().parents[2]


class OneOpenDispute(Disputes):
    """Open disputes with these case numbers, whose last day is in three days."""

    def __init__(self, *cases: str) -> None:
        self._cases = cases

    def open_disputes(self) -> pl.DataFrame:
        rows = [
            {
                "program": "default",
                "network": "visa",
                "case_number": case,
                "stage": "chargeback",
                "opening_number": 1,
                "opened_on": date(2026, 11, 1),
                "reply_by_on": date(2026, 11, 23),
            }
            for case in self._cases
        ]
        return pl.DataFrame(rows, schema=OPEN_DISPUTES)

    def version(self) -> str:
        return " ".join(self._cases)

    def steps(self, case_number: str) -> Sequence[DisputeStep]:
        """None was reported: they are just open."""
        return []


def alarms_of(url: str, *cases: str) -> DeadlineAlarms:
    """What raises alarms of these cases; today is 2026-11-20."""
    return DeadlineAlarms(
        OneOpenDispute(*cases), FakeDisputeRecords(), PostgresDisputeAlarms(url), FakeClock()
    )


def die_at_steps(
    url: str, sent: Path, steps: Sequence[int], module: str = "killable_alarms"
) -> list[int]:
    """The signal or exit code with which each process ended; each has an alarm of `at-<step>`."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.servers.{module}", url, str(sent), *map(str, steps)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [int(word) for word in done.stdout.split()]


def main(url: str, sent: str, *steps: str) -> None:
    def raise_one(step: int) -> None:
        notifier = FileNotifier(Path(sent), FakeClock())
        die_before(step)
        alarms_of(url, f"at-{step}").raise_due(notifier)

    run_each_in_a_process(raise_one, map(int, steps))


def run_each_in_a_process(raise_one: Callable[[int], None], steps: Iterable[int]) -> None:
    """Print the signal or exit code with which each ended."""
    for step in steps:
        # Nothing that starts threads was used yet, so that a forked process is a whole one.
        child = os.fork()
        if child == 0:
            raise_one(step)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - read by the test


def die_before(step: int) -> None:
    """Kill this process at that transaction or alarm, counted from here."""
    taken = 0

    def counted(function: Any) -> Any:
        def run(*arguments: Any, **options: Any) -> Any:
            nonlocal taken
            taken += 1
            if taken == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return run

    TransactionRunner.run_unretried = counted(TransactionRunner.run_unretried)  # type: ignore[method-assign] # dies at a step
    FileNotifier.notify = counted(FileNotifier.notify)  # type: ignore[method-assign] # dies at a step


if __name__ == "__main__":
    main(*sys.argv[1:])
