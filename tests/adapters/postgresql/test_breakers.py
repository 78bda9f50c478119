"""One contract for circuit breakers in memory and on PostgreSQL."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier, BrokenBarrierError, Thread

import pytest

from cardops.adapters.postgresql.breakers import PostgresBreakers
from cardops.ports import Breakers
from cardops.rules.deliveries.breakers import Breaker, BreakerState
from tests.fakes.breakers import FakeBreakers

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OPENED = Breaker(
    5,
    NOW,
    NOW + timedelta(minutes=1),
    "down",
    recovered_at=NOW - timedelta(days=1),
    alarm_due_at=NOW + timedelta(minutes=2),
    refused_at=NOW - timedelta(seconds=1),
)


@pytest.fixture(params=["fake", pytest.param("postgresql", marks=pytest.mark.database)])
def breakers(request: pytest.FixtureRequest) -> Breakers:
    if request.param == "fake":
        return FakeBreakers()
    return PostgresBreakers(request.getfixturevalue("database_url"))


def test_destination_that_never_failed_is_closed(breakers: Breakers) -> None:
    assert breakers.find("visa") == Breaker()
    assert breakers.all() == {}


def test_change_is_stored_for_one_destination(breakers: Breakers) -> None:
    assert breakers.change("visa", lambda _: OPENED) == (Breaker(), OPENED)

    assert breakers.find("visa") == OPENED
    assert breakers.find("amex") == Breaker()
    assert breakers.all() == {"visa": OPENED}


def test_concurrent_failures_are_all_counted(breakers: Breakers) -> None:
    def fail() -> None:
        breakers.change("visa", lambda found: replace(found, failure_count=found.failure_count + 1))

    threads = [Thread(target=fail) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert breakers.find("visa").failure_count == 8


def test_one_of_several_processes_gets_the_trial(breakers: Breakers) -> None:
    breakers.change("visa", lambda _: OPENED)
    later = NOW + timedelta(minutes=2)
    tried = []

    both = Barrier(2)

    def let_one_try(breaker: Breaker) -> Breaker:
        # Without a lock both read the breaker before either changes it.
        with suppress(BrokenBarrierError):
            both.wait(0.3)
        return (
            breaker.on_trial(later) if breaker.state(later) is BreakerState.HALF_OPEN else breaker
        )

    def ask() -> None:
        before, after = breakers.change("visa", let_one_try)
        tried.append(before != after)

    threads = [Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert tried.count(True) == 1
