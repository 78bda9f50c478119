"""Starts the services of a home, watches them, and stops all of them.

Every service is in the process group of a guard (orchestration.local.guard), which ends them when
this process is gone, even by kill -9.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from orchestration.cli.output import CommandError, say
from orchestration.local.services import Service

POLL_SECONDS: Final = 0.1
# A machine that is busy takes minutes where an idle one takes half of one; whoever cannot wait has Ctrl-C.
START_TIMEOUT_SECONDS: Final = 900
TOLD_EVERY_SECONDS: Final = 60
STOP_TIMEOUT_SECONDS: Final = 15
LOG_LINES_SHOWN: Final = 5
# The pause before a service is started again that ended soon after its last start.
RESTART_SECONDS: Final = 10
# One that ran so long begins anew; an essential one that ended so often without it will not do better.
STEADY_SECONDS: Final = 60
MAX_ENDS: Final = 5
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class StopRequest:
    """Whether a stop signal has arrived: SIGTERM, SIGHUP, or SIGINT from Ctrl-C.

    The handler only sets a flag. One that raised might do so while `subprocess` holds the lock of
    a process, and stopping that process would then wait for ever.
    """

    def __init__(self) -> None:
        self._is_set = False

    def __call__(self) -> bool:
        """Whether to stop."""
        return self._is_set

    def listen(self) -> None:
        """Take over the stop signals of this process; a second Ctrl-C changes nothing."""
        for number in STOP_SIGNALS:
            # SIGINT too: a shell without job control starts its children with SIGINT ignored.
            signal.signal(number, self._set)

    def _set(self, _number: int, _frame: object) -> None:
        self._is_set = True


class Supervisor:
    """The processes of one home, from start to stop. `warn` is told of each that ended by itself."""

    def __init__(
        self,
        home: Path,
        environment: Mapping[str, str],
        is_stopping: Callable[[], bool] = lambda: False,
        warn: Callable[[str], None] = say,
    ) -> None:
        self._is_stopping = is_stopping
        self._warn = warn
        self._logs = home / "run" / "logs"
        self._environment = {**os.environ, **environment}
        self._services: list[Service] = []
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._started_at: dict[str, float] = {}
        self._due_at: dict[str, float] = {}
        self._end_counts: dict[str, int] = {}
        self._ready: set[str] = set()
        self._pipe: int | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    def start(self, services: Sequence[Service]) -> None:
        """Start the services and wait until all are ready. Raises CommandError.

        Returns early when a stop is requested; `wait` then returns at once.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        self._start_guard()
        self._services = list(services)
        began = told_at = time.monotonic()
        while (waiting := self._not_ready()) and not self._is_stopping():
            self._advance()
            now = time.monotonic()
            if now - began > START_TIMEOUT_SECONDS:
                what = f"was not ready within {START_TIMEOUT_SECONDS // 60} minutes, so all were stopped; see whether the "
                raise CommandError(
                    self._failure(
                        waiting[0].name, f"{what}machine is busy, and start Cardops again"
                    )
                )
            if now - told_at > TOLD_EVERY_SECONDS:
                told_at = now
                names = ", ".join(service.name for service in waiting)
                self._warn(f"Still starting after {(now - began) / 60:.0f} min: {names} …")
            time.sleep(POLL_SECONDS)

    def wait(self) -> None:
        """Watch the services until a stop is requested; one that ends by itself is started again.

        Raises CommandError when an essential one keeps ending.
        """
        while not self._is_stopping():
            self._advance()
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop the services in reverse order and wait until all have ended; says which had to be killed."""
        killed = _stop(dict(reversed(self._running.items())))
        self._end_guard()
        if killed:
            self._warn(
                f"Still at work after {STOP_TIMEOUT_SECONDS} seconds, and so ended by force: {', '.join(killed)}. Nothing is "
                "lost or done twice: the next start fails the runs that were in hand, and takes up their files again within "
                "two minutes."
            )

    def _advance(self) -> None:
        """Start what is due, see what is ready, and take note of what ended."""
        self._check()
        for service in self._not_ready():
            if not self._ready.issuperset((*service.needs, *service.after)):
                continue
            is_due = time.monotonic() >= self._due_at.get(service.name, 0)
            if service.name not in self._running and is_due:
                self._running[service.name] = self._spawn(service.name, service.command)
            if service.name in self._running and service.is_ready():
                self._ready.add(service.name)

    def _not_ready(self) -> list[Service]:
        return [service for service in self._services if service.name not in self._ready]

    def _check(self) -> None:
        for service in self._services:
            process = self._running.get(service.name)
            if process is not None and process.poll() is not None:
                self._note_end(service, process.returncode)
        if self._guard is not None and self._guard.poll() is not None:
            raise CommandError(
                "The guard process was killed, so all services are stopped; start Cardops again."
            )

    def _note_end(self, service: Service, code: int) -> None:
        name = service.name
        what = f"ended by itself (exit code {code})"
        was_steady = time.monotonic() - self._started_at[name] >= STEADY_SECONDS
        count = self._end_counts[name] = 1 if was_steady else self._end_counts.get(name, 0) + 1
        has_begun = name in self._ready or count > 1
        if service.is_essential and (not has_begun or count >= MAX_ENDS):
            raise CommandError(self._failure(name, what))
        stopped = [other.name for other in self._services if name in other.needs]
        others = f", with those that need it ({', '.join(stopped)})" if stopped else ""
        self._warn(self._failure(name, f"{what}; it is started again{others}"))
        for ended in (name, *stopped):
            self._end(ended)
        self._due_at[name] = time.monotonic() + (RESTART_SECONDS if count > 1 else 0)

    def _end(self, name: str) -> None:
        self._ready.discard(name)
        if (process := self._running.pop(name, None)) is not None:
            _stop({name: process})

    def _failure(self, name: str, what: str) -> str:
        log = self._logs / f"{name}.log"
        last = log.read_text(errors="replace").strip().splitlines()[-LOG_LINES_SHOWN:]
        return "\n".join([f"The {name} process {what}. Its log {log} ends:", *last])

    def _spawn(self, name: str, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        mode: Literal["wb", "ab"] = "ab" if name in self._started_at else "wb"
        self._started_at[name] = time.monotonic()
        with (self._logs / f"{name}.log").open(mode) as log:
            return subprocess.Popen(  # noqa: S603 - our own command lines
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=self._guard.pid if self._guard else None,
            )

    def _start_guard(self) -> None:
        reading, self._pipe = os.pipe()
        with (self._logs / "guard.log").open("wb") as log:
            self._guard = subprocess.Popen(  # noqa: S603 - our own command line
                [sys.executable, "-m", "orchestration.local.guard", str(reading)],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[reading],
                process_group=0,
            )
        os.close(reading)

    def _end_guard(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
        if self._guard is not None:
            self._guard.wait()


def _stop(processes: "Mapping[str, subprocess.Popen[bytes]]") -> list[str]:
    """Ask them to end in this order, wait until they have, and kill those that do not; names of these."""
    killed = []
    for process in processes.values():
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    for name, process in processes.items():
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed.append(name)
    return killed
