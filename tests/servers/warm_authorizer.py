"""Authorizers forked from a process that has imported what they need.

Belongs here: the process that forks (this file as a script) and what a test holds of a process that it
forked. Other commands have warm_command; what that imports takes eight seconds, this takes two.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("authorizer", "cardops.adapters.callback_http")
# What an authorizer imports once it has started; none of them imports polars, which has threads.
MODULES = (
    "orchestration.cli.main",
    "orchestration.cli.commands.authorizer",
    "cardops.adapters.clock",
    "cardops.adapters.alarm_channels",
    "cardops.adapters.postgresql.authorizations.authorizations",
    "cardops.adapters.postgresql.authorizations.expired_holds",
    "cardops.adapters.postgresql.authorizer_pools",
    "cardops.adapters.postgresql.callbacks.outbox",
    "cardops.adapters.postgresql.incidents",
    "cardops.adapters.postgresql.migrate",
    "cardops.adapters.postgresql.programs.caller_directory",
    "cardops.adapters.postgresql.reads",
    "cardops.adapters.secrets",
    "cardops.services.alarms.notifying",
    "uvloop",
)


class WarmAuthorizer:
    """A running process that was forked; it offers what tests use of `Popen`."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.args = ["cardops", *arguments]
        self._code: int | None = None
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder, "output")
            os.mkfifo(output)
            # Without waiting for the writer: it is there once the process's id is known.
            reading = os.open(output, os.O_RDONLY | os.O_NONBLOCK)
            self.pid = _forking().ask(
                arguments=list(arguments),
                environment=dict(environment),
                folder=str(Path.cwd()),
                output=str(output),
                errors=str(log),
            )
        self._ended = os.pidfd_open(self.pid)
        os.set_blocking(reading, True)
        self.stdout = os.fdopen(reading, "rb")
        self._turn = threading.Lock()

    def poll(self) -> int | None:
        """The exit code, or the negative number of the signal that ended it; None while it runs."""
        return self._code_within(0)

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        code = self._code_within(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._ended, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _code_within(self, seconds: float | None) -> int | None:
        if self._code is None and select.select([self._ended], [], [], seconds)[0]:
            with self._turn:
                if self._code is None:
                    self._code = _forking().ask(code_of=self.pid)
        return self._code

    def __del__(self) -> None:
        with suppress(AttributeError):  # it was never started
            os.close(self._ended)


class Forking:
    """The process that forks; one request at a time."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request: Any) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._turn:
            print(json.dumps(request), file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        assert answer, "the process that forks authorizers has ended: its error is above"
        return int(answer)

    def end(self) -> None:
        self._process.communicate()


@cache
def _forking() -> Forking:
    forking = Forking()
    atexit.register(forking.end)
    return forking


def _import_all() -> None:
    for package in PACKAGES:
        folders = importlib.import_module(package).__path__
        for found in pkgutil.walk_packages(folders, f"{package}."):
            importlib.import_module(found.name)
    for module in MODULES:
        importlib.import_module(module)
    # Or no process could be forked safely.
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "a library started a thread"
    gc.collect()
    gc.freeze()  # or the first collection of every child would copy all of this memory


def _fork(request: dict[str, Any]) -> int:
    """The id of a new process, which runs the command and ends as it ends."""
    output = os.open(request["output"], os.O_WRONLY)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = _run(request, output)
        except BaseException:  # noqa: BLE001 - shown as Python shows it
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(output)
    return pid


def _run(request: dict[str, Any], output: int) -> int:
    """Run the command as if this process had been started for it; its exit code."""
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    os.chdir(request["folder"])
    errors = os.open(request["errors"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for descriptor, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, output), (2, errors)):
        os.dup2(source, descriptor)
        os.close(source)
    sys.argv = ["cardops", *request["arguments"]]
    try:
        importlib.import_module("orchestration.cli.main").main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        atexit._run_exitfuncs()
    return 0


def serve() -> None:
    """Answer requests until there can be no more; then no child is left."""
    _import_all()
    running = set[int]()
    for line in sys.stdin:
        request = json.loads(line)
        if pid := request.get("code_of"):
            running.discard(pid)
            answer = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        else:
            answer = _fork(request)
            running.add(answer)
        print(answer, flush=True)  # noqa: T201 - read by the test's process
    for pid in running:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    serve()
