"""Authorizations with a clock and with users to credit and block: the fake and PostgreSQL."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.authorizations.expired_holds import PostgresExpiredHolds
from cardops.adapters.postgresql.sessions import Pool, open_pool
from cardops.ports import Authorizations, ExpiredHolds
from cardops.rules.accounts.ledger import Account
from cardops.rules.authorizations.actions import (
    ActionKind,
    ActionResponse,
    ActionResult,
    AuthorizationAction,
)
from cardops.rules.authorizations.decisions import ResponseKind
from tests.factories.authorizations import PROGRAM, USER, a_request
from tests.fakes.authorizations import FakeAuthorizations
from tests.fakes.clock import FakeClock


@dataclass
class FakeWorld:
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.authorizations = FakeAuthorizations(self.clock)
        self.expired_holds = self.authorizations
        self.credit, self.block = self.authorizations.credit, self.authorizations.block


@dataclass
class PostgresWorld:
    """With a DatabaseClock the pool's sessions read that clock; otherwise the real one."""

    pool: Pool
    clock: FakeClock = field(default_factory=lambda: FakeClock(datetime.now(UTC)))

    def __post_init__(self) -> None:
        self.authorizations = PostgresAuthorizations(self.pool)
        self.expired_holds = PostgresExpiredHolds(self.pool)

    async def credit(self, user_id: str, amount_minor: int, *, program: str = PROGRAM) -> None:
        await self.pool.execute(
            "insert into accounts (program, user_id, currency, available_minor, ledger_seq) "
            "values ($1, $2, 'USD', $3, 1) on conflict (program, user_id, currency) do update "
            "set available_minor = accounts.available_minor + excluded.available_minor, "
            "ledger_seq = accounts.ledger_seq + 1",
            program,
            user_id,
            amount_minor,
        )

    async def block(self, user_id: str, *, program: str = PROGRAM) -> None:
        await self.pool.execute(
            "insert into users (program, user_id, is_blocked) values ($1, $2, true)",
            program,
            user_id,
        )


World: TypeAlias = FakeWorld | PostgresWorld


async def pool_with_programs(database_url: str) -> Pool:
    """A pool on a database with the programs `default` and `other`."""
    opened = await open_pool(database_url)
    await opened.execute(
        "insert into programs (program, currency) values ('default', 'USD'), ('other', 'USD') "
        "on conflict do nothing"
    )
    return opened


async def ask(world: World, *args: Any, **fields: Any) -> dict[str, Any]:
    """The decoded response to one request."""
    (response,) = await world.authorizations.decide([a_request(*args, **fields)])
    assert response.kind is ResponseKind.DECIDED
    decoded: dict[str, Any] = json.loads(response.body)
    return decoded


async def account(world: World, program: str = PROGRAM) -> Account:
    (found,) = await world.authorizations.accounts(program, USER)
    return found


async def apply(store: Authorizations, action: AuthorizationAction) -> ActionResponse:
    """The response to one action."""
    (response,) = await store.apply([action])
    return response


async def expire_all(store: Authorizations, expired_holds: ExpiredHolds, limit: int = 100) -> int:
    """Release overdue holds in one batch; returns how many."""
    overdue = await expired_holds.overdue(None, limit)
    actions = [
        AuthorizationAction(ActionKind.EXPIRE, hold.program, hold.transaction_id)
        for hold in overdue
    ]
    responses = await store.apply(actions)
    return sum(response.result is ActionResult.DONE for response in responses)
