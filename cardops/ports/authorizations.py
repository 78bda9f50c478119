"""Authorization decisions, the callers who may request them, and traces of the work."""

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
    """Decides authorization requests in batches, each batch one durable commit."""

    async def decide(self, requests: Sequence[AuthorizationRequest]) -> list[AuthorizationResponse]:
        """One response per request, in order. A failing member does not fail the others.

        Where nothing could be committed in time the response is `undecided`, never a guess.
        """

    async def apply(self, action: AuthorizationAction) -> ActionResponse:
        """Capture, void, refund or increment; idempotent by its key.

        Raises StoreUnavailableError.
        """

    async def find(self, program: str, transaction_id: str) -> AuthorizationView | None:
        """The stored decision with its present state; None where unknown in this program."""

    async def accounts(self, program: str, user_id: str) -> Sequence[Account]:
        """The user's accounts by currency; empty where the user is unknown."""

    async def expire_holds(self, at: datetime, limit: int) -> int:
        """Release up to `limit` holds that expired by `at`; returns how many."""

    async def oldest_overdue_at(self, at: datetime) -> datetime | None:
        """The earliest expiry among the holds that expired by `at`; None where there is none."""


class CallerDirectory(Protocol):
    """The callers that API keys belong to (asynchronous, for the authorizer)."""

    async def find_caller(self, key_id: str) -> Caller | None:
        """The caller of a live key; None where unknown or revoked."""

    async def is_ready(self) -> bool:
        """Whether the store responds."""


class Tracing(Protocol):
    """Sends events to a tracing system; never blocks on it and never fails its caller."""

    def emit(self, event: TracedEvent) -> None:
        """Queue one event that ended just now."""

    def close(self) -> None:
        """Send the queued events; blocks for a bounded time."""
