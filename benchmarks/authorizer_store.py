"""Group commit at store level, against pgbench with one decision per transaction."""

import asyncio
import hashlib
import itertools
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Final

import uvloop

from authorizer.decisions.batcher import Batcher
from benchmarks.bench_database import ROUND_SECONDS, BenchDatabase, bench_database
from benchmarks.harness import Benchmark, Sides
from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.sessions import open_pool
from cardops.rules.authorizations.decisions import AuthorizationRequest, ResponseKind

USERS: Final = 1_000_000
CALLERS: Final = 128


def decisions_per_second(bench: BenchDatabase, users: int) -> float:
    """Decisions per second of one batcher, for `CALLERS` callers that each await their response."""
    return uvloop.run(_decide_for_a_while(bench.url, users))


async def _decide_for_a_while(url: str, users: int) -> float:
    pool = await open_pool(url)
    batcher = Batcher(PostgresAuthorizations(pool))
    run, numbers, random = secrets.token_hex(6), itertools.count(), Random(1)  # noqa: S311 - a load, not a secret
    end = time.perf_counter() + ROUND_SECONDS

    async def caller() -> int:
        answered = 0
        while time.perf_counter() < end:
            user = random.randint(1, users)
            response = await batcher.decide(_request(f"b-{run}-{next(numbers)}", f"u-{user}"))
            answered += response.kind is ResponseKind.DECIDED
        return answered

    started = time.perf_counter()
    answered = sum(await asyncio.gather(*(caller() for _ in range(CALLERS))))
    seconds = time.perf_counter() - started
    await batcher.drain()
    await pool.close()
    return answered / seconds


def _request(transaction_id: str, user_id: str) -> AuthorizationRequest:
    return AuthorizationRequest(
        program="bench",
        transaction_id=transaction_id,
        user_id=user_id,
        amount_minor=1,
        currency="USD",
        request_hash=hashlib.sha256(transaction_id.encode()).digest(),
        authorization_id=transaction_id,
    )


@contextmanager
def _spread() -> Iterator[Sides]:
    with bench_database(USERS) as bench:
        yield Sides(lambda: decisions_per_second(bench, USERS), bench.pgbench)


@contextmanager
def _hot() -> Iterator[Sides]:
    with bench_database(1000) as bench:
        yield Sides(lambda: decisions_per_second(bench, 1), lambda: bench.pgbench(users=1))


BENCHMARKS: Final = [
    Benchmark("store_group_commit_vs_pgbench", "decisions/s", "at least 3.0", _spread),
    Benchmark("store_hot_user_vs_pgbench", "decisions/s", "at least 30", _hot),
]
