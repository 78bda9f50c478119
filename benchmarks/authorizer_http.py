"""Durable decisions over HTTP, against pgbench and against a no-op route of the framework."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from random import Random
from secrets import token_hex
from statistics import mean
from tempfile import TemporaryDirectory
from typing import IO, Final, cast

import uvloop

from benchmarks.bench_database import ROUND_SECONDS, BenchDatabase, bench_database
from benchmarks.harness import Benchmark, Sides
from benchmarks.load import Load, Request, percentile
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.rules.programs.api_keys import Scope

USERS: Final = 1_000_000
CONNECTIONS: Final = 128
P99: Final = 0.99
PEAK_PER_SECOND: Final = 100
PEAK_MILLISECONDS: Final = 50.0


def authorization_requests(path: str, key: str, users: int) -> Request:
    """Requests for one cent, each with a new id, by a random user."""
    run, numbers, random = token_hex(6), count(), Random(1)  # noqa: S311 - a load, not a secret
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n"
        "content-type: application/json\r\ncontent-length: "
    )

    def request() -> bytes:
        body = (
            f'{{"transaction_id":"h-{run}-{next(numbers)}",'
            f'"user_id":"u-{random.randint(1, users)}","amount":0.01}}'
        )
        return f"{head}{len(body)}\r\n\r\n{body}".encode()

    return request


def saturated(port: int, request: Request) -> float:
    """Responses per second while every connection always has a request in progress."""
    return uvloop.run(Load(port, CONNECTIONS, request).saturate(ROUND_SECONDS))


def latencies_ms(port: int, request: Request, per_second: float) -> list[float]:
    """The latency of each response in milliseconds, at a fixed rate."""
    seconds = uvloop.run(Load(port, CONNECTIONS, request).at_rate(per_second, ROUND_SECONDS))
    return [1000 * latency for latency in seconds]


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
def noop() -> Iterator[int]:
    """The no-op server's port."""
    with (
        TemporaryDirectory() as home,
        _served(["benchmarks.noop_server"], dict(os.environ), Path(home) / "log") as line,
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
            yield cast("IO[bytes]", process.stdout).readline().decode()
        finally:
            process.terminate()


@contextmanager
def _against_pgbench() -> Iterator[Sides]:
    with bench_database(USERS) as bench, authorizer(bench) as (port, key):
        request = authorization_requests("/v1/authorizations", key, USERS)
        yield Sides(lambda: saturated(port, request), bench.pgbench)


@contextmanager
def _against_noop() -> Iterator[Sides]:
    with bench_database(USERS) as bench, authorizer(bench) as (port, key), noop() as noop_port:
        request = authorization_requests("/v1/authorizations", key, USERS)
        noop_request = authorization_requests("/typed", key, USERS)
        yield Sides(lambda: saturated(port, request), lambda: saturated(noop_port, noop_request))


@contextmanager
def _p99_against_noop() -> Iterator[Sides]:
    with bench_database(USERS) as bench, authorizer(bench) as (port, key), noop() as noop_port:
        request = authorization_requests("/v1/authorizations", key, USERS)
        noop_request = authorization_requests("/typed", key, USERS)
        yield Sides(
            lambda: percentile(latencies_ms(port, request, 1000), P99),
            lambda: percentile(latencies_ms(noop_port, noop_request, 1000), P99),
        )


@contextmanager
def _mean_at_peak() -> Iterator[Sides]:
    with bench_database(USERS) as bench, authorizer(bench) as (port, key):
        request = authorization_requests("/v1/authorizations", key, USERS)
        yield Sides(
            lambda: mean(latencies_ms(port, request, PEAK_PER_SECOND)), lambda: PEAK_MILLISECONDS
        )


BENCHMARKS: Final = [
    Benchmark("http_decisions_vs_pgbench", "decisions/s", "at least 2.5", _against_pgbench),
    Benchmark("http_decisions_vs_noop", "decisions/s", "at least 2.0", _against_noop),
    Benchmark("p99_1000rps_vs_noop", "ms", "at most 1.5", _p99_against_noop),
    Benchmark("mean_100rps_vs_50_ms", "ms", "at most 1.0", _mean_at_peak),
]
