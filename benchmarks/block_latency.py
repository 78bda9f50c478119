"""How long a block takes while 1, 4, 8 or 16 authorizers decide on the same database."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle
from multiprocessing.synchronize import Event
from typing import Final

import uvloop

from benchmarks.authorizer_http import P99, authorization_requests
from benchmarks.bench_database import ROUND_SECONDS, BenchDatabase, bench_database
from benchmarks.harness import Benchmark, Sides
from benchmarks.load import Load, percentile
from benchmarks.servers import authorizer, beside
from cardops.adapters.postgresql.programs.programs import PostgresPrograms

USERS: Final = 100_000
# Of all processes together: enough that some transaction is always open, not enough to use up two
# processors, whose queue would then be what is measured.
PER_SECOND: Final = 400
CONNECTIONS_EACH: Final = 8
BLOCK_GOAL_MS: Final = 100.0
PAUSE_SECONDS: Final = 0.1


def block_ms(bench: BenchDatabase, ports: list[int], key: str) -> float:
    """The 99th percentile in milliseconds of blocks, from the call until it returns."""
    programs, flags = PostgresPrograms(bench.url), cycle((True, False))
    seconds: list[float] = []
    with beside(run_load, ports, key):
        end = time.perf_counter() + ROUND_SECONDS
        while time.perf_counter() < end:
            started = time.perf_counter()
            programs.set_blocked("bench", "u-1", is_blocked=next(flags), changed_by="benchmark")
            seconds.append(time.perf_counter() - started)
            time.sleep(PAUSE_SECONDS)
    return 1000 * percentile(seconds, P99)


def run_load(ports: list[int], key: str, started: Event) -> None:
    """Decisions at an even rate at all ports, without end."""

    async def all_loads() -> None:
        request = authorization_requests("/v1/authorizations", key, USERS)
        loads = [Load(port, CONNECTIONS_EACH, request) for port in ports]
        started.set()
        rate = PER_SECOND / len(ports)
        await asyncio.gather(*(load.at_rate(rate, lambda: True) for load in loads))

    uvloop.run(all_loads())


@contextmanager
def _sides(process_count: int) -> Iterator[Sides]:
    with bench_database(USERS) as bench, ExitStack() as stack:
        started = [stack.enter_context(authorizer(bench)) for _ in range(process_count)]
        ports, key = [port for port, _ in started], started[0][1]
        yield Sides(lambda: block_ms(bench, ports, key), lambda: BLOCK_GOAL_MS)


BENCHMARKS: Final = [
    Benchmark("block_at_1_process_ms", "ms", "at most 1.0", lambda: _sides(1), rounds=1),
    Benchmark("block_at_4_processes_ms", "ms", "at most 1.0", lambda: _sides(4), rounds=1),
    Benchmark("block_at_8_processes_ms", "ms", "at most 1.0", lambda: _sides(8), rounds=1),
    Benchmark("block_at_16_processes_ms", "ms", "at most 1.0", lambda: _sides(16), rounds=1),
]
