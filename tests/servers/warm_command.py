"""Processes forked from one that imported slow modules, such as the `cardops` command's.

Belongs here: what a process of its own has by itself: environment, folder, output, exit code. What is
imported beforehand is in warm_imports.
"""

import atexit
import multiprocessing
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from orchestration.cli.main import main


def warm_context() -> ForkServerContext:
    """Starts processes that have imported what is slow; there is one such server in a process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["tests.servers.warm_imports", __name__, "tests.servers.killable_delivery"]
    )
    return context


@dataclass(frozen=True)
class WarmProcess:
    """What a process is given; `run` starts it and waits for its end."""

    environment: Mapping[str, str]
    folder: Path
    timeout_seconds: float

    def start(self, target: Callable[..., None], *values: Any) -> ForkServerProcess:
        """Start the target in a process of its own, whose output is not kept; the caller ends it."""
        nowhere = Path(os.devnull)
        process = warm_context().Process(
            target=_call, args=(self, nowhere, nowhere, target, values)
        )
        process.start()
        return process

    def run(self, target: Callable[..., None], *values: Any) -> "subprocess.CompletedProcess[str]":
        """Call the target in a process of its own. Raises subprocess.TimeoutExpired."""
        with TemporaryDirectory() as outputs:
            output, errors = Path(outputs, "output"), Path(outputs, "errors")
            process = warm_context().Process(
                target=_call, args=(self, output, errors, target, values)
            )
            process.start()
            process.join(self.timeout_seconds)
            if process.exitcode is None:
                process.kill()
                raise subprocess.TimeoutExpired([target.__name__], self.timeout_seconds)
            return subprocess.CompletedProcess(
                list(values), process.exitcode, output.read_text(), errors.read_text()
            )


def _call(
    given: WarmProcess,
    output: Path,
    errors: Path,
    target: Callable[..., None],
    values: Sequence[Any],
) -> None:
    """Call the target as if the process had been started for it, and end as it ends."""
    os.environ.clear()
    os.environ.update(given.environment)
    time.tzset()
    os.chdir(given.folder)
    for descriptor, path in ((1, output), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    try:
        target(*values)
    except Exception:  # noqa: BLE001 - shown as Python shows it, before what is done at exit
        traceback.print_exc()
        sys.exit(1)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        atexit._run_exitfuncs()


def command(*arguments: str) -> None:
    """The `cardops` command, as its console script calls it."""
    sys.argv = ["cardops", *arguments]
    main()
