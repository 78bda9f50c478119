"""Spending decisions, the callers who may ask for them, and the trace of what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cardops.rules.accounts.ledger import Account
    from cardops.rules.authorizations.actions import ActionResponse, AuthorizationAction
    from cardops.rules.authorizations.decisions import AuthorizationRequest, AuthorizationResponse
    from cardops.rules.authorizations.records import AuthorizationView
    from cardops.rules.authorizations.traces import TracedEvent
    from cardops.rules.programs.api_keys import Caller


class Authorizations(Protocol):
    """Decides spending, in batches, each batch one durable commit."""

    async def decide(self, requests: Sequence[AuthorizationRequest]) -> list[AuthorizationResponse]:
        """One answer a question, in order. A failing member does not fail its neighbours.

        Where nothing could be committed in time the answer is `undecided`: never a guess.
        """

    async def apply(self, action: AuthorizationAction) -> ActionResponse:
        """Capture, void, refund or increment; sticky by its key. Raises StoreUnavailableError."""

    async def find(self, program: str, transaction_id: str) -> AuthorizationView | None:
        """The stored decision with its present state, or None (also: another program's)."""

    async def accounts(self, program: str, user_id: str) -> Sequence[Account]:
        """The user's accounts by currency; empty where unknown."""

    async def expire_holds(self, at: datetime, limit: int) -> int:
        """End holds past their time; how many."""

    async def oldest_overdue_at(self, at: datetime) -> datetime | None:
        """When the hold was to end that is past its time the longest; None where none is."""


class CallerDirectory(Protocol):
    """Who a key belongs to (asynchronous: the authorizer)."""

    async def find_caller(self, key_id: str) -> Caller | None:
        """The live key with its program; None where unknown or revoked."""

    async def is_ready(self) -> bool:
        """Whether the store answers."""


class Tracing(Protocol):
    """Tells a tracing system what was done; never waits for it and never fails its caller."""

    def emit(self, event: TracedEvent) -> None:
        """One event that ended just now."""

    def close(self) -> None:
        """Hand over what is not told yet, for a bounded time; may block."""
