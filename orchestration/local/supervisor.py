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

from orchestration.cli.output import CommandError
from orchestration.local.services import Service

POLL_SECONDS: Final = 0.1
START_TIMEOUT_SECONDS: Final = 180
STOP_TIMEOUT_SECONDS: Final = 15
LOG_LINES_SHOWN: Final = 5
# A service that is not essential is started again, at most so often.
RESTART_SECONDS: Final = 10
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
    """The processes of one home, from start to stop."""

    def __init__(
        self,
        home: Path,
        environment: Mapping[str, str],
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._is_stopping = is_stopping
        self._logs = home / "run" / "logs"
        self._environment = {**os.environ, **environment}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._optional: dict[str, Service] = {}
        self._started_at: dict[str, float] = {}
        self._ready: set[str] = set()
        self._pipe: int | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    def start(self, services: Sequence[Service]) -> None:
        """Start the services and wait until all are ready. Raises CommandError.

        Returns early when a stop is requested; `wait` then returns at once.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        self._start_guard()
        waiting = list(services)
        self._optional = {item.name: item for item in services if not item.is_essential}
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while waiting and not self._is_stopping():
            for service in [item for item in waiting if self._ready.issuperset(item.needs)]:
                if service.name not in self._running:
                    self._running[service.name] = self._spawn(service.name, service.command)
                if self._has_become_ready(service):
                    self._ready.add(service.name)
                    waiting.remove(service)
            if time.monotonic() > deadline:
                raise CommandError(self._failure(waiting[0].name, "was not ready within 3 minutes"))
            time.sleep(POLL_SECONDS)

    def wait(self) -> None:
        """Watch the services until a stop is requested.

        Raises CommandError when an essential one ends by itself; another one is started again.
        """
        while not self._is_stopping():
            self._check()
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop the services in reverse order and wait until all have ended."""
        for name in reversed(list(self._running)):
            if self._running[name].poll() is None:
                self._running[name].terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        for process in self._running.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._end_guard()

    def _has_become_ready(self, service: Service) -> bool:
        self._check()
        return service.is_ready()

    def _check(self) -> None:
        for name, process in self._running.items():
            code = process.poll()
            if code is not None and name in self._optional:
                self._start_again(self._optional[name])
            elif code is not None:
                raise CommandError(self._failure(name, f"ended by itself (exit code {code})"))
        if self._guard is not None and self._guard.poll() is not None:
            raise CommandError(
                "The guard process was killed, so all services are stopped; start Cardops again."
            )

    def _start_again(self, service: Service) -> None:
        if time.monotonic() - self._started_at[service.name] >= RESTART_SECONDS:
            self._running[service.name] = self._spawn(service.name, service.command, mode="ab")

    def _failure(self, name: str, what: str) -> str:
        log = self._logs / f"{name}.log"
        last = log.read_text(errors="replace").strip().splitlines()[-LOG_LINES_SHOWN:]
        return "\n".join([f"The {name} process {what}. Its log {log} ends:", *last])

    def _spawn(
        self, name: str, command: Sequence[str], mode: Literal["wb", "ab"] = "wb"
    ) -> "subprocess.Popen[bytes]":
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
