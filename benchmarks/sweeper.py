"""Expired holds that are released per second, by one authorizer and by three."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import psycopg

from benchmarks.bench_database import ROUND_SECONDS, BenchDatabase, bench_database
from benchmarks.harness import Benchmark, Sides
from benchmarks.servers import authorizer
from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.transactions import run_in_transaction

HOLDS: Final = 30_000
GOAL_PER_SECOND: Final = 5_000.0
# A count costs the database milliseconds.
POLL_SECONDS: Final = 0.25
# The sweeper pauses for five seconds when there is nothing to do.
START_SECONDS: Final = 20.0

# One hold of a cent for each account, which has had its end.
_ADD_HOLDS: Final = (
    """
    update accounts
    set available_minor = available_minor - 1, held_minor = held_minor + 1,
        ledger_seq = ledger_seq + 1
    """,
    """
    insert into decisions (
        program, transaction_id, authorization_id, question_hash, user_id, currency, amount_minor,
        is_capture, status, reason_code, remaining_minor, ledger_seq, answer, decided_at
    )
    select
        program, 'x-' || ledger_seq || user_id, 'a', sha256('x'), user_id, currency, 1, false,
        'PERMIT', 'sufficient_credit', available_minor, ledger_seq, '{}', now() - interval '8 days'
    from accounts
    """,
    """
    insert into holds (program, transaction_id, user_id, currency, state, held_minor, expires_at)
    select program, 'x-' || ledger_seq || user_id, user_id, currency, 'held', 1,
        now() - interval '1 day'
    from accounts
    """,
)
_OPEN_HOLDS: Final = "select count(*) from holds where state = 'held'"


def released_per_second(bench: BenchDatabase) -> float:
    """Holds per second from the first release until the last, or until the round's end."""
    run_in_transaction(bench.url, _add_holds)  # again after a deadlock with a sweeper
    with connect(bench.url) as session:
        deadline = time.perf_counter() + START_SECONDS
        while _open_holds(session) == HOLDS:
            if time.perf_counter() > deadline:
                raise RuntimeError("The sweeper released no hold; the authorizer's log says why.")
            time.sleep(POLL_SECONDS)
        started, first = time.perf_counter(), _open_holds(session)
        while (left := _open_holds(session)) and time.perf_counter() - started < ROUND_SECONDS:
            time.sleep(POLL_SECONDS)
        return (first - left) / (time.perf_counter() - started)


def _add_holds(session: psycopg.Connection) -> None:
    # What an earlier round has left would be released first.
    session.execute("update holds set state = 'expired', held_minor = 0 where state = 'held'")
    session.execute("update accounts set held_minor = 0")
    for statement in _ADD_HOLDS:
        session.execute(statement)


def _open_holds(session: psycopg.Connection) -> int:
    row = session.execute(_OPEN_HOLDS).fetchone()
    return row[0] if row else 0


@contextmanager
def _sides(process_count: int) -> Iterator[Sides]:
    with bench_database(HOLDS) as bench, ExitStack() as stack:
        for _ in range(process_count):
            stack.enter_context(authorizer(bench))
        yield Sides(lambda: released_per_second(bench), lambda: GOAL_PER_SECOND)


BENCHMARKS: Final = [
    Benchmark("sweeper_holds_one_process", "holds/s", "at least 1.0", lambda: _sides(1)),
    Benchmark("sweeper_holds_three_processes", "holds/s", "at least 1.0", lambda: _sides(3)),
]
