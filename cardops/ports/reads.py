"""Reads of the HTTP API that decide nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cardops.rules.accounts.ledger import Account
    from cardops.rules.authorizations.records import AuthorizationView
    from cardops.rules.callbacks.callbacks import Callback


class Reads(Protocol):
    """What a partner looks up, apart from decisions: nothing here can take their sessions.

    Each method raises ReadTimeoutError where the read took too long, and StoreUnavailableError.
    """

    async def find(self, program: str, transaction_id: str) -> AuthorizationView | None:
        """The stored decision with its present state; None where unknown in this program."""

    async def accounts(self, program: str, user_id: str) -> Sequence[Account]:
        """The user's accounts by currency; empty where the user is unknown."""

    async def list_callbacks(
        self, program: str | None, state: str | None, cursor: str | None, limit: int
    ) -> tuple[list[Callback], str | None]:
        """A page, newest first, and the next cursor."""
