"""Processes beside a benchmark: the authorizer, the no-op server, the peer, a load, `cardops up`."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Final, cast

from benchmarks.bench_database import BenchDatabase
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.rules.programs.api_keys import Scope

START_SECONDS: Final = 60.0


@contextmanager
def beside(run: Callable[..., None], *arguments: object) -> Iterator[None]:
    """Run `run(*arguments, started)` in a process of its own, which is ended with the block.

    It sets the event `started` when its load begins.
    """
    context = multiprocessing.get_context("spawn")
    started = context.Event()
    process = context.Process(target=run, args=(*arguments, started), daemon=True)
    process.start()
    try:
        if not started.wait(START_SECONDS):
            raise RuntimeError("The load beside the benchmark did not start; its error is above.")
        yield
    finally:
        process.terminate()
        process.join()


@contextmanager
def authorizer(bench: BenchDatabase) -> Iterator[tuple[int, str]]:
    """The authorizer on this database: its port, and a key of the program `bench`."""
    key = PostgresPrograms(bench.url).create_key("bench", "b", tuple(Scope), is_test=True).key
    with TemporaryDirectory(prefix="cardops-bench-") as home:
        environment = {**os.environ, "CARDOPS_DATABASE_URL": bench.url, "CARDOPS_HOME": home}
        command = ["orchestration.cli.main", "authorizer", "--port", "0", "--json"]
        with _served(command, environment, Path(home) / "log") as line:
            yield json.loads(line)["port"], key


@contextmanager
def control_room(home: Path) -> Iterator[dict[str, Any]]:
    """The addresses of a `cardops up` of the home, once it is ready. It ends with the block, as by Ctrl-C."""
    with subprocess.Popen(
        [sys.executable, "-m", "orchestration.cli.main", "up", "--json"],
        env={**os.environ, "CARDOPS_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            line = cast("IO[str]", process.stdout).readline()
            if not line:
                raise SystemExit(f"cardops up of {home} ended before it was ready.")
            yield json.loads(line)
        finally:
            process.send_signal(signal.SIGINT)


@contextmanager
def noop() -> Iterator[int]:
    """The no-op server's port."""
    with (
        TemporaryDirectory() as home,
        _served(["benchmarks.noop_server"], dict(os.environ), Path(home) / "log") as line,
    ):
        yield int(line)


@contextmanager
def plain_fastapi(bench: BenchDatabase) -> Iterator[int]:
    """The peer's port, on this database."""
    with (
        TemporaryDirectory() as home,
        _served(
            ["benchmarks.plain_fastapi", bench.url], dict(os.environ), Path(home) / "log"
        ) as line,
    ):
        yield int(line)


@contextmanager
def _served(command: list[str], environment: dict[str, str], log: Path) -> Iterator[str]:
    with (
        log.open("wb") as errors,
        subprocess.Popen(  # noqa: S603 - our own modules
            [sys.executable, "-m", *command], stdout=subprocess.PIPE, stderr=errors, env=environment
        ) as process,
    ):
        try:
            line = cast("IO[bytes]", process.stdout).readline().decode()
            if not line:
                sys.exit(f"{command[0]} ended before it served:\n{log.read_text()}")
            yield line
        finally:
            process.terminate()
