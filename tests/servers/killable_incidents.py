"""Sees, escalates, ends and acknowledges an alarm in processes that die at another step each: run as a script.

Arguments: the action, the instant, and for each process its step, the database's URL and the folder of its
channels. A step is a transaction on the database or the sending of a message; the process dies before it.
"""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cardops.adapters.alarm_channels import FileChannel
from cardops.adapters.postgresql.incidents import PostgresIncidents
from cardops.adapters.postgresql.transactions import TransactionRunner
from cardops.services.alarms.notifying import IncidentNotifier
from tests.fakes.alarm_channels import FakeChannels
from tests.fakes.clock import FakeClock

ROOT = Path(__file__).resolve().parents[2]
KEY: Final = "delivery:visa"
SUBJECT: Final = "Deliveries to visa are paused"


@dataclass(frozen=True)
class Home:
    """One instance: its database, and the folder in which its two channels write."""

    url: str
    folder: Path

    def incidents(self, now: datetime) -> PostgresIncidents:
        return PostgresIncidents(self.url, clock=FakeClock(now).now)

    def notifier(self, now: datetime) -> IncidentNotifier:
        ledger = self.incidents(now)
        channels = [FileChannel(self.folder / name, name) for name in ("file", "mail")]
        return IncidentNotifier(lambda: ledger, FakeChannels(channels), FakeClock(now))


def see(home: Home, now: datetime) -> None:
    home.notifier(now).notify(SUBJECT, "refused", runbook="r.md", incident=KEY)


def escalate(home: Home, now: datetime) -> None:
    home.notifier(now).turn()


def end(home: Home, now: datetime) -> None:
    home.notifier(now).resolve(KEY, "It works.")


def acknowledge(home: Home, now: datetime) -> None:
    home.incidents(now).acknowledge(1, "ann", "called them")


ACTIONS: Final[Mapping[str, Callable[[Home, datetime], None]]] = {
    action.__name__: action for action in (see, escalate, end, acknowledge)
}


def die_at_each(action: str, now: datetime, homes: Sequence[Home]) -> list[int]:
    """The signal or exit code of each process: the first dies before step 1, the second before step 2."""
    given = [word for home in homes for word in (home.url, str(home.folder))]
    done = subprocess.run(
        [sys.executable, "-m", "tests.servers.killable_incidents", action, now.isoformat(), *given],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [int(word) for word in done.stdout.split()]


def main(action: str, now: str, *given: str) -> None:
    logging.disable()
    homes = [Home(url, Path(folder)) for url, folder in zip(given[::2], given[1::2], strict=True)]
    for step, home in enumerate(homes, 1):
        # Nothing that starts threads was used yet, so that a forked process is a whole one.
        child = os.fork()
        if child == 0:
            _die_before(step)
            ACTIONS[action](home, datetime.fromisoformat(now))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - read by the test


def _die_before(step: int) -> None:
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
    FileChannel.send = counted(FileChannel.send)  # type: ignore[method-assign] # dies at a step


if __name__ == "__main__":
    main(*sys.argv[1:])
