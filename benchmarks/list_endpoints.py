"""Response times of what is read over HTTP, with a long history behind it."""

import http.client
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

from benchmarks.bench_database import BenchDatabase, bench_database
from benchmarks.harness import Benchmark, Sides
from benchmarks.load import percentile
from benchmarks.servers import authorizer
from cardops.adapters.postgresql.connection import connect

# Delivered callbacks, and decisions of each; 5 million is a large program's week.
ROWS: Final = 500_000
USERS: Final = 1_000
REQUESTS: Final = 40
GOAL_MS: Final = 50.0
P95: Final = 0.95
# Only these are dead; what is looked for among millions is what took longest.
DEAD: Final = 10
PATHS: Final = (
    "/v1/callbacks",
    "/v1/callbacks?status=dead",
    "/v1/callbacks?status=pending",
    "/v1/callbacks?status=delivered&limit=100",
    "/v1/callbacks?status=dead&cursor=cb_ffff",
    "/v1/users/u-1/credit",
    "/v1/authorizations/l-7",
)
_HISTORY: Final = (
    """
    insert into callbacks (
        callback_id, program, transaction_id, url, body, state, attempt_count, next_attempt_at,
        created_at, ended_at
    )
    select
        'cb_' || lpad(to_hex(n), 32, '0'), 'bench', 'l-' || n, 'https://example.com/c',
        convert_to(repeat('x', 320), 'UTF8'),
        case when n <= %(dead)s then 'dead' else 'delivered' end, 1, now(), now(), now()
    from generate_series(1, %(rows)s) as n
    """,
    """
    insert into decisions (
        program, transaction_id, authorization_id, question_hash, user_id, currency, amount_minor,
        is_capture, status, reason_code, remaining_minor, ledger_seq, answer, decided_at
    )
    select
        'bench', 'l-' || n, 'a', sha256('x'), 'u-' || n %% %(users)s + 1, 'USD', 1, true, 'PERMIT',
        'sufficient_credit', 1, n, convert_to(repeat('x', 320), 'UTF8'), now()
    from generate_series(1, %(rows)s) as n
    """,
)


def slowest_ms(port: int, key: str) -> float:
    """The 95th percentile in milliseconds of the slowest path."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        return max(percentile(response_ms(connection, path, key), P95) for path in PATHS)


def response_ms(connection: http.client.HTTPConnection, path: str, key: str) -> list[float]:
    """Milliseconds of each of `REQUESTS` requests. Raises RuntimeError unless all get status 200."""
    milliseconds = []
    for _ in range(REQUESTS):
        started = time.perf_counter()
        connection.request("GET", path, headers={"authorization": f"Bearer {key}"})
        response = connection.getresponse()
        body = response.read()
        milliseconds.append(1000 * (time.perf_counter() - started))
        if response.status != http.HTTPStatus.OK:
            raise RuntimeError(f"GET {path} was answered {response.status}: {body!r}")
    return milliseconds


@contextmanager
def history(rows: int = ROWS) -> Iterator[BenchDatabase]:
    """A database with this many callbacks and decisions."""
    with bench_database(USERS) as bench:
        with connect(bench.url) as session:
            for statement in _HISTORY:
                session.execute(statement, {"rows": rows, "dead": DEAD, "users": USERS})
            session.execute("vacuum analyze callbacks, decisions")
        yield bench


@contextmanager
def _sides() -> Iterator[Sides]:
    with history() as bench, authorizer(bench) as (port, key):
        yield Sides(lambda: slowest_ms(port, key), lambda: GOAL_MS)


BENCHMARKS: Final = [Benchmark("list_endpoints_ms", "ms", "at most 1.0", _sides)]
