"""Users with ample credit and the limits set on them: the fake and PostgreSQL."""

import json
from dataclasses import dataclass, field
from typing import Any

from cardops.adapters.postgresql.sessions import Pool
from cardops.ports import Authorizations, SpendingLimits
from cardops.rules.accounts.spending_limits import LimitKind, SpendingLimit
from cardops.rules.authorizations.actions import (
    ActionKind,
    ActionResponse,
    ActionResult,
    AuthorizationAction,
)
from cardops.rules.authorizations.decisions import AccountState
from tests.factories.authorizations import PROGRAM, USER, a_request
from tests.fakes.authorizations import FakeAuthorizations
from tests.fakes.clock import FakeClock

PLENTY = 1_000_000_000
CREDIT = (
    "insert into accounts (program, user_id, currency, available_minor, ledger_seq) "
    "values ($1, $2, $3, $4, 1)"
)


def at_most(
    kind: str, amount_minor: int | None = None, count: int | None = None, *, seconds: int = 0
) -> SpendingLimit:
    return SpendingLimit(LimitKind(kind), amount_minor, count, seconds)


@dataclass
class Limited:
    """Users with ample credit, their limits, and the authorizations to test them."""

    authorizations: Authorizations
    limits: SpendingLimits
    clock: FakeClock
    pool: Pool | None = None
    count: int = field(default=0)

    async def credit(self, user_id: str = USER, currency: str = "USD") -> None:
        if isinstance(self.authorizations, FakeAuthorizations):
            key = (PROGRAM, user_id, currency)
            self.authorizations.states[key] = AccountState(PLENTY, ledger_seq=1)
        else:
            assert self.pool is not None
            await self.pool.execute(CREDIT, PROGRAM, user_id, currency, PLENTY)

    def set(self, *limits: SpendingLimit, user_id: str = USER, currency: str = "USD") -> None:
        self.limits.change(PROGRAM, user_id, currency, limits, changed_by="tester")

    async def ask(self, amount_minor: int = 100, **fields: Any) -> str:
        """The reason code of a new request."""
        return (await self.ask_all(amount_minor, **fields))[0]

    async def ask_all(self, *amounts: int, **fields: Any) -> list[str]:
        """The reason codes of a batch of requests."""
        requests = []
        for amount_minor in amounts:
            self.count += 1
            requests.append(a_request(f"t{self.count}", amount_minor=amount_minor, **fields))
        responses = await self.authorizations.decide(requests)
        return [json.loads(response.body)["reason_code"] for response in responses]

    async def increment(self, transaction_id: str, amount: str, key: str) -> ActionResponse:
        action = AuthorizationAction(ActionKind.INCREMENT, PROGRAM, transaction_id, amount, key)
        (response,) = await self.authorizations.apply([action])
        assert response.result in {ActionResult.DONE, ActionResult.REPLAYED}
        return response
