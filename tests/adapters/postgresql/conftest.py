"""Authorizations, and the callback outbox with its administration, on the fake and on PostgreSQL."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import pytest

from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.callbacks.administration import PostgresCallbackAdministration
from cardops.adapters.postgresql.callbacks.outbox import PostgresCallbackOutbox
from cardops.adapters.postgresql.sessions import Pool, open_pool
from cardops.ports import CallbackAdministration, CallbackOutbox
from cardops.rules.authorizations.decisions import AuthorizationRequest
from cardops.rules.callbacks.callbacks import Callback
from tests.factories.authorization_stores import (
    FakeWorld,
    PostgresWorld,
    World,
    pool_with_programs,
)
from tests.factories.authorizations import NOON, a_request
from tests.factories.database_clock import DatabaseClock
from tests.fakes.authorizations import FakeAuthorizations
from tests.fakes.clock import FakeClock


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    opened = await pool_with_programs(database_url)
    yield opened
    opened.terminate()


@pytest.fixture(params=["fake", pytest.param("postgresql", marks=pytest.mark.database)])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """A world without accounts."""
    if request.param == "fake":
        yield FakeWorld()
        return
    clock = DatabaseClock(request.getfixturevalue("database_url"))
    opened = await pool_with_programs(clock.url)
    yield PostgresWorld(opened, clock)
    opened.terminate()
    clock.close()


@dataclass
class CallbackStore:
    """`add` decides a request per URL at an instant, in one batch."""

    outbox: CallbackOutbox
    administration: CallbackAdministration
    decide: Callable[[Sequence[AuthorizationRequest], datetime], Awaitable[object]]
    count: int = 0

    async def add(self, *urls: str, at: datetime = NOON, program: str = "default") -> None:
        requests = []
        for url in urls:
            self.count += 1
            requests.append(a_request(f"t{self.count}", callback_url=url, program=program))
        await self.decide(requests, at)

    async def all(self, state: str | None = None) -> list[Callback]:
        """Oldest first."""
        callbacks, _ = await self.outbox.list_callbacks(None, state, None, 1000)
        return callbacks[::-1]


@pytest.fixture(params=["fake", pytest.param("postgresql", marks=pytest.mark.database)])
async def callback_store(request: pytest.FixtureRequest) -> AsyncIterator[CallbackStore]:
    """An empty outbox."""
    if request.param == "fake":
        clock = FakeClock(NOON)
        fake = FakeAuthorizations(clock)

        async def decide(requests: Sequence[AuthorizationRequest], at: datetime) -> object:
            clock.at = at
            return await fake.decide(requests)

        yield CallbackStore(fake.outbox, fake.outbox, decide)
        return
    database_clock = DatabaseClock(request.getfixturevalue("database_url"))
    pool = await open_pool(database_clock.url)

    async def decide_in_postgresql(
        requests: Sequence[AuthorizationRequest], at: datetime
    ) -> object:
        database_clock.at = at
        return await PostgresAuthorizations(pool).decide(requests)

    yield CallbackStore(
        PostgresCallbackOutbox(pool), PostgresCallbackAdministration(pool), decide_in_postgresql
    )
    pool.terminate()
    database_clock.close()
