"""Spending limits on the fake and on PostgreSQL."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from cardops.adapters.postgresql.accounts.spending_limits import PostgresSpendingLimits
from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.rules.accounts.spending_limits import LimitKind
from cardops.rules.authorizations.actions import ActionKind, ActionResult, AuthorizationAction
from cardops.rules.authorizations.decisions import ResponseKind
from tests.factories.authorization_stores import pool_with_programs
from tests.factories.authorizations import PROGRAM, USER, a_request
from tests.factories.database_clock import DatabaseClock
from tests.factories.limited_users import CREDIT, PLENTY, Limited, at_most
from tests.fakes.authorizations import FakeAuthorizations
from tests.fakes.clock import FakeClock
from tests.oracles.limit_audit import AuditedSpendingLimits

OK, OVER = "sufficient_credit", "velocity_limit"


@pytest.fixture(params=["fake", pytest.param("postgresql", marks=pytest.mark.database)])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[Limited]:
    if request.param == "fake":
        clock = FakeClock()
        fake = FakeAuthorizations(clock)
        limited = Limited(fake, fake.limits, clock)
        await limited.credit()
        yield limited
    else:
        url: str = request.getfixturevalue("database_url")
        database_clock = DatabaseClock(url)
        pool = await pool_with_programs(database_clock.url)
        authorizations = PostgresAuthorizations(pool)
        limited = Limited(authorizations, AuditedSpendingLimits(url), database_clock, pool)
        await limited.credit()
        yield limited
        pool.terminate()
        database_clock.close()


async def test_authorization_above_its_limit_is_rejected(world: Limited) -> None:
    world.set(at_most("authorization", 500))

    assert await world.ask_all(500, 501, 500) == [OK, OVER, OK]


async def test_daily_limit_counts_requests_of_the_same_batch(world: Limited) -> None:
    world.set(at_most("day", 1000, 3))

    assert await world.ask_all(600, 401, 100, 100, 100) == [OK, OVER, OK, OK, OVER]
    assert await world.ask(1) == OVER


async def test_permits_before_the_limit_was_set_count(world: Limited) -> None:
    await world.ask_all(300, 300)
    world.set(at_most("month", 700))

    assert await world.ask_all(101, 100) == [OVER, OK]


async def test_window_ends_to_the_microsecond(world: Limited) -> None:
    world.set(at_most("window", count=1, seconds=60))
    assert await world.ask() == OK

    world.clock.at += timedelta(seconds=60) - timedelta(microseconds=1)
    assert await world.ask() == OVER
    world.clock.at += timedelta(microseconds=1)

    assert await world.ask() == OK


@pytest.mark.parametrize(
    ("kind", "last"),
    [
        ("day", datetime(2026, 11, 20, 23, 59, 59, 999999, tzinfo=UTC)),
        ("month", datetime(2026, 11, 30, 23, 59, 59, 999999, tzinfo=UTC)),
    ],
)
async def test_days_and_months_end_at_midnight_utc(
    world: Limited, kind: str, last: datetime
) -> None:
    world.set(at_most(kind, count=1))
    assert await world.ask() == OK

    world.clock.at = last
    assert await world.ask() == OVER
    world.clock.at = last + timedelta(microseconds=1)

    assert await world.ask() == OK
    assert await world.ask() == OVER


async def test_permit_dated_ahead_of_our_clock_counts(world: Limited) -> None:
    world.set(at_most("window", count=1, seconds=60), at_most("day", count=1))
    world.clock.advance(hours=13)
    assert await world.ask() == OK

    world.clock.advance(hours=-13)

    assert await world.ask() == OVER


async def test_increments_are_limited_and_counted_once(world: Limited) -> None:
    world.set(at_most("day", 1000, 3), at_most("authorization", 700))
    assert await world.ask(400, is_capture=False) == OK

    raised = await world.increment("t1", "3.00", "i1")
    too_high = await world.increment("t1", "0.01", "i2")

    assert json.loads(raised.body)["increment"]["status"] == "PERMIT"
    assert json.loads(too_high.body)["increment"]["reason_code"] == OVER
    assert await world.ask_all(301, 300, 1) == [OVER, OK, OVER]
    again = await world.increment("t1", "0.01", "i2")
    assert (again.result, again.body) == (ActionResult.REPLAYED, too_high.body)


async def test_void_restores_no_allowance(world: Limited) -> None:
    world.set(at_most("day", 1000))
    await world.ask(1000, is_capture=False)
    await world.authorizations.apply([AuthorizationAction(ActionKind.VOID, PROGRAM, "t1")])

    assert await world.ask(1) == OVER


async def test_dry_run_obeys_limits_without_using_them(world: Limited) -> None:
    world.set(at_most("day", count=1))

    assert await world.ask_all(100, 100, is_dry_run=True) == [OK, OK]
    assert await world.ask() == OK
    assert await world.ask(is_dry_run=True) == OVER


async def test_user_limit_replaces_program_limit(world: Limited) -> None:
    await world.credit("other")
    world.set(at_most("day", count=1), at_most("authorization", 500), user_id="")
    world.set(at_most("day", count=2))

    assert await world.ask_all(100, 100, 100) == [OK, OK, OVER]
    assert await world.ask_all(100, 100, user_id="other") == [OK, OVER]
    world.clock.advance(days=1)
    assert await world.ask(501) == OVER


async def test_limits_count_each_currency_separately(world: Limited) -> None:
    await world.credit(currency="EUR")
    world.set(at_most("day", count=1))
    await world.ask()

    assert await world.ask() == OVER
    assert await world.ask_all(100, 100, currency="EUR") == [OK, OK]


async def test_rejected_id_replays_after_its_window(world: Limited) -> None:
    world.set(at_most("window", count=1, seconds=60))
    await world.ask()
    (rejected,) = await world.authorizations.decide([a_request("late")])
    world.clock.advance(seconds=61)

    (again,) = await world.authorizations.decide([a_request("late")])

    assert json.loads(rejected.body)["reason_code"] == OVER
    assert (again.kind, again.body) == (ResponseKind.REPLAYED, rejected.body)


async def test_insufficient_credit_comes_before_velocity_limit(world: Limited) -> None:
    world.set(at_most("authorization", 1))

    assert await world.ask(PLENTY + 1) == "insufficient_credit"


async def test_usage_of_each_limit_is_reported(world: Limited) -> None:
    world.set(at_most("day", 1000), at_most("window", count=5, seconds=3600))
    await world.ask(400)

    (day, window) = sorted(
        world.limits.used(PROGRAM, USER, world.clock.now())["USD"],
        key=lambda allowance: allowance.limit.kind,
    )

    assert (day.used_amount_minor, day.used_count) == (400, 1)
    assert (window.limit.max_count, window.used_count) == (5, 1)


async def test_limit_change_keeps_omitted_values_and_is_audited(
    world: Limited,
) -> None:
    world.set(at_most("day", 1000))
    world.set(at_most("day", count=3))
    key = (LimitKind.DAY, 0)

    assert world.limits.own(PROGRAM, USER) == {"USD": [at_most("day", 1000, 3)]}
    assert world.limits.remove(PROGRAM, USER, "USD", key, changed_by="other")
    assert not world.limits.remove(PROGRAM, USER, "USD", key, changed_by="other")
    assert world.limits.own(PROGRAM, USER) == {}

    changes = world.limits.changes(PROGRAM, USER)
    assert [change["changed_by"] for change in changes] == ["tester", "tester", "other"]
    assert changes[0]["before"] is None
    assert changes[1]["before"] == changes[0]["after"]
    assert changes[2]["after"] is None
    assert await world.ask(1001) == OK


@pytest.mark.database
async def test_block_is_audited(database_url: str) -> None:
    PostgresPrograms(database_url).set_blocked(PROGRAM, USER, is_blocked=True, changed_by="ann")

    (change,) = AuditedSpendingLimits(database_url).changes(PROGRAM, USER)

    assert (change["changed_by"], change["before"], change["after"]) == (
        "ann",
        {"is_blocked": False},
        {"is_blocked": True},
    )


@pytest.mark.database
async def test_concurrent_processes_never_exceed_a_count_limit(
    database_url: str,
) -> None:
    pools = [await pool_with_programs(database_url) for _ in range(3)]
    await pools[0].execute(CREDIT, PROGRAM, USER, "USD", PLENTY)
    PostgresSpendingLimits(database_url).change(
        PROGRAM, USER, "USD", [at_most("window", count=25, seconds=3600)], changed_by="tester"
    )

    async def one_process(number: int) -> int:
        authorizations, permits = PostgresAuthorizations(pools[number]), 0
        for batch in range(15):
            requests = [a_request(f"p{number}-{batch}-{n}", amount_minor=1) for n in range(2)]
            responses = await authorizations.decide(requests)
            assert all(response.kind is ResponseKind.DECIDED for response in responses)
            permits += sum(b'"PERMIT"' in response.body for response in responses)
        return permits

    permits = await asyncio.gather(*(one_process(number) for number in range(3)))

    for pool in pools:
        pool.terminate()
    assert sum(permits) == 25
