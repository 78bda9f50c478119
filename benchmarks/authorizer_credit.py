"""Response times during the credit of a large deposit file, against those without one."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final

import uvloop

from benchmarks.authorizer_http import CONNECTIONS, P99, authorization_requests
from benchmarks.bench_database import ROUND_SECONDS, BenchDatabase, bench_database
from benchmarks.harness import Benchmark, Sides
from benchmarks.load import Load, Request, percentile
from benchmarks.servers import authorizer

USERS: Final = 1_000_000
PER_SECOND: Final = 200


@contextmanager
def _sides() -> Iterator[Sides]:
    intake_ids = count(1)
    with bench_database(USERS) as bench, authorizer(bench) as (port, key):
        request = authorization_requests("/v1/authorizations", key, USERS)
        yield Sides(
            lambda: _p99_during_credit(bench, port, request, next(intake_ids)),
            lambda: _p99(port, request),
        )


def _p99_during_credit(bench: BenchDatabase, port: int, request: Request, intake_id: int) -> float:
    """The 99th percentile in milliseconds, from the start of the credit to its end."""
    command = [sys.executable, "-m", "benchmarks.credit_file", bench.url, str(intake_id)]
    with subprocess.Popen([*command, str(USERS)]) as crediting:  # noqa: S603 - our own module
        try:
            seconds = uvloop.run(_while_running(crediting, port, request))
        finally:
            crediting.terminate()
    if crediting.returncode:
        raise RuntimeError("The credit of the deposit file failed; its error is above.")
    return 1000 * percentile(seconds, P99)


async def _while_running(
    crediting: "subprocess.Popen[bytes]", port: int, request: Request
) -> list[float]:
    load = Load(port, CONNECTIONS, request)
    return await load.at_rate(PER_SECOND, lambda: crediting.poll() is None)


def _p99(port: int, request: Request) -> float:
    load = Load(port, CONNECTIONS, request)
    return 1000 * percentile(uvloop.run(load.at_rate(PER_SECOND, ROUND_SECONDS)), P99)


BENCHMARKS: Final = [
    Benchmark("p99_during_credit_vs_idle", "ms", "at most 2.5", _sides),
]
