"""Actions over HTTP: captures against decisions, and decisions beside a storm of actions."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from multiprocessing.synchronize import Event
from random import Random
from secrets import token_hex
from typing import Final

import uvloop

from benchmarks.authorizer_http import CONNECTIONS, P99, USERS, authorization_requests, latencies_ms
from benchmarks.bench_database import ROUND_SECONDS, bench_database
from benchmarks.harness import Benchmark, Sides
from benchmarks.load import Load, Request, percentile, post
from benchmarks.servers import authorizer, beside
from cardops.adapters.postgresql.connection import connect

PER_SECOND: Final = 500
ACTIONS_PER_SECOND: Final = 300
RETRYING_CALLERS: Final = 20
# The user whose account has all the actions, and how many holds it has.
BUSY_USER: Final = 1
BUSY_HOLDS: Final = 200


class Holds:
    """Requests for holds, and for the capture of each of them."""

    def __init__(self, key: str, users: int) -> None:
        self._key = key
        self._users = users
        self._ids: list[str] = []
        self._run, self._numbers, self._random = token_hex(6), count(), Random(1)  # noqa: S311 - a load, not a secret

    def new(self) -> bytes:
        """A request for a hold of one cent, with a new id, by a random user."""
        return self.of(self._random.randint(1, self._users))

    def of(self, user: int) -> bytes:
        """A request for a hold of one cent, with a new id, by this user."""
        self._ids.append(f"c-{self._run}-{next(self._numbers)}")
        body = (
            f'{{"transaction_id":"{self._ids[-1]}","user_id":"u-{user}","amount":0.01,'
            '"capture":false}'
        )
        return post("/v1/authorizations", self._key, body)

    def captures(self) -> list[bytes]:
        """One capture for each hold since the last call."""
        ids, self._ids = self._ids, []
        return [post(f"/v1/authorizations/{name}/capture", self._key, "{}") for name in ids]

    def increments(self) -> Request:
        """Increments of one cent, of each hold in turn, each with a new id."""
        ids, numbers = list(self._ids), count()

        def request() -> bytes:
            number = next(numbers)
            body = f'{{"amount":0.01,"increment_id":"i-{self._run}-{number}"}}'
            return post(f"/v1/authorizations/{ids[number % len(ids)]}/increment", self._key, body)

        return request


@contextmanager
def _captures() -> Iterator[Sides]:
    with bench_database(USERS) as bench, authorizer(bench) as (port, key):
        holds = Holds(key, USERS)
        yield Sides(
            lambda: uvloop.run(Load(port, CONNECTIONS, holds.new).answer(holds.captures())),
            lambda: uvloop.run(Load(port, CONNECTIONS, holds.new).saturate(ROUND_SECONDS)),
        )


@contextmanager
def _beside_actions() -> Iterator[Sides]:
    with bench_database(USERS) as bench, authorizer(bench) as (port, key):
        request = authorization_requests("/v1/authorizations", key, USERS)

        def p99_beside_actions() -> float:
            with storm(port, key, ACTIONS_PER_SECOND):
                return p99(port, request)

        yield Sides(p99_beside_actions, lambda: p99(port, request))


@contextmanager
def _beside_locked_account() -> Iterator[Sides]:
    with bench_database(USERS) as bench, authorizer(bench) as (port, key):
        request = authorization_requests("/v1/authorizations", key, USERS)

        def p99_beside_locked_account() -> float:
            with ExitStack() as stack:
                stack.enter_context(storm(port, key, None))
                session = stack.enter_context(connect(bench.url, autocommit=False))
                session.execute(
                    "select 1 from accounts where user_id = %s for update", [f"u-{BUSY_USER}"]
                )
                return p99(port, request)

        yield Sides(p99_beside_locked_account, lambda: p99(port, request))


def p99(port: int, request: Request) -> float:
    """The 99th percentile in milliseconds of decisions at `PER_SECOND`."""
    return percentile(latencies_ms(port, request, PER_SECOND), P99)


@contextmanager
def storm(port: int, key: str, per_second: float | None) -> Iterator[None]:
    """Increments on one account until the block ends: at this rate, or each caller without pause."""
    with beside(_act, port, key, per_second):
        yield


def _act(port: int, key: str, per_second: float | None, started: Event) -> None:
    holds = Holds(key, 0)
    uvloop.run(
        Load(port, CONNECTIONS, holds.new).answer([holds.of(BUSY_USER) for _ in range(BUSY_HOLDS)])
    )
    started.set()
    callers = CONNECTIONS if per_second else RETRYING_CALLERS
    load = Load(port, callers, holds.increments())
    endless = load.at_rate(per_second, _forever) if per_second else load.saturate(_forever)
    uvloop.run(endless)


def _forever() -> bool:
    return True


BENCHMARKS: Final = [
    Benchmark("captures_vs_decisions", "captures/s", "at least 0.7", _captures),
    Benchmark("p99_beside_move_storm", "ms", "at most 1.5", _beside_actions),
    Benchmark("p99_beside_locked_account_vs_alone", "ms", "at most 1.5", _beside_locked_account),
]
