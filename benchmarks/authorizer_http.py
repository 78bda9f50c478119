"""Durable decisions over HTTP, against pgbench, the store alone, a no-op route, and the peer.

The peer (plain_fastapi.py) is the design that most teams would write, on the same database.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from random import Random
from secrets import token_hex
from statistics import mean
from typing import Final

import uvloop

from benchmarks.authorizer_store import decisions_per_second
from benchmarks.bench_database import ROUND_SECONDS, bench_database
from benchmarks.harness import Benchmark, Sides
from benchmarks.load import Load, Request, percentile, post
from benchmarks.servers import authorizer, noop, plain_fastapi

USERS: Final = 1_000_000
CONNECTIONS: Final = 128
P99: Final = 0.99
PEAK_PER_SECOND: Final = 100
PEAK_MILLISECONDS: Final = 50.0


def authorization_requests(path: str, key: str, users: int) -> Request:
    """Requests for one cent, each with a new id, by a random user."""
    run, numbers, random = token_hex(6), count(), Random(1)  # noqa: S311 - a load, not a secret

    def request() -> bytes:
        return post(
            path,
            key,
            f'{{"transaction_id":"h-{run}-{next(numbers)}",'
            f'"user_id":"u-{random.randint(1, users)}","amount":0.01}}',
        )

    return request


def saturated(port: int, request: Request) -> float:
    """Responses per second while every connection always has a request in progress."""
    return uvloop.run(Load(port, CONNECTIONS, request).saturate(ROUND_SECONDS))


def latencies_ms(port: int, request: Request, per_second: float) -> list[float]:
    """The latency of each response in milliseconds, at a fixed rate."""
    seconds = uvloop.run(Load(port, CONNECTIONS, request).at_rate(per_second, ROUND_SECONDS))
    return [1000 * latency for latency in seconds]


@contextmanager
def _against_pgbench() -> Iterator[Sides]:
    with bench_database(USERS) as bench, authorizer(bench) as (port, key):
        request = authorization_requests("/v1/authorizations", key, USERS)
        yield Sides(lambda: saturated(port, request), bench.pgbench)


@contextmanager
def _against_store() -> Iterator[Sides]:
    with bench_database(USERS) as bench, authorizer(bench) as (port, key):
        request = authorization_requests("/v1/authorizations", key, USERS)
        yield Sides(lambda: saturated(port, request), lambda: decisions_per_second(bench, USERS))


@contextmanager
def _against_peer(measure: Callable[[int, Request], float]) -> Iterator[Sides]:
    with (
        bench_database(USERS) as bench,
        authorizer(bench) as (port, key),
        plain_fastapi(bench) as peer_port,
    ):
        request = authorization_requests("/v1/authorizations", key, USERS)
        yield Sides(lambda: measure(port, request), lambda: measure(peer_port, request))


def _p99_at_500(port: int, request: Request) -> float:
    return percentile(latencies_ms(port, request, 500), P99)


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
    Benchmark(
        "http_decisions_vs_plain_fastapi",
        "decisions/s",
        "at least 4.0",
        lambda: _against_peer(saturated),
    ),
    Benchmark(
        "p99_500rps_vs_plain_fastapi", "ms", "at most 1.0", lambda: _against_peer(_p99_at_500)
    ),
    Benchmark("http_decisions_vs_store", "decisions/s", "at least 0.6", _against_store),
    Benchmark("http_decisions_vs_pgbench", "decisions/s", "at least 2.5", _against_pgbench),
    Benchmark("http_decisions_vs_noop", "decisions/s", "at least 2.0", _against_noop),
    Benchmark("p99_1000rps_vs_noop", "ms", "at most 1.5", _p99_against_noop),
    Benchmark("mean_100rps_vs_50_ms", "ms", "at most 1.0", _mean_at_peak),
]
