"""Reads over the other fakes."""

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override

from cardops.ports import Authorizations, CallbackOutbox, Reads
from cardops.rules.accounts.ledger import Account
from cardops.rules.authorizations.records import AuthorizationView
from cardops.rules.callbacks.callbacks import Callback


@dataclass
class FakeReads(Reads):
    authorizations: Authorizations
    outbox: CallbackOutbox

    @override
    async def find(self, program: str, transaction_id: str) -> AuthorizationView | None:
        return await self.authorizations.find(program, transaction_id)

    @override
    async def accounts(self, program: str, user_id: str) -> Sequence[Account]:
        return await self.authorizations.accounts(program, user_id)

    @override
    async def list_callbacks(
        self, program: str | None, state: str | None, cursor: str | None, limit: int
    ) -> tuple[list[Callback], str | None]:
        return await self.outbox.list_callbacks(program, state, cursor, limit)
