"""Authorization decisions, the callers who may request them, and traces of the work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from cardops.rules.accounts.ledger import Account
    from cardops.rules.authorizations.actions import ActionResponse, AuthorizationAction
    from cardops.rules.authorizations.decisions import (
        AccountKey,
        AuthorizationRequest,
        AuthorizationResponse,
        IdKey,
    )
    from cardops.rules.authorizations.records import AuthorizationView, OverdueHold
    from cardops.rules.authorizations.traces import TracedEvent
    from cardops.rules.programs.api_keys import Caller


class Authorizations(Protocol):
    """Decides authorization requests in batches, each batch one durable commit."""

    async def decide(self, requests: Sequence[AuthorizationRequest]) -> list[AuthorizationResponse]:
        """One response per request, in order. A failing member does not fail the others.

        Where nothing could be committed in time the response is `undecided`, never a guess; `locked`
        where another session has the account locked.
        """

    async def apply(self, actions: Sequence[AuthorizationAction]) -> list[ActionResponse]:
        """One response per action, in order: capture, void, refund, increment, expire.

        Each is idempotent by its key. The same rules as for `decide`.
        """

    async def accounts_of(self, ids: Collection[IdKey]) -> Mapping[IdKey, AccountKey]:
        """The account that each known authorization names; it never changes."""

    async def locked_accounts(self, accounts: Collection[AccountKey]) -> Collection[AccountKey]:
        """Which of these accounts another session has locked."""

    async def find(self, program: str, transaction_id: str) -> AuthorizationView | None:
        """The stored decision with its present state; None where unknown in this program."""

    async def accounts(self, program: str, user_id: str) -> Sequence[Account]:
        """The user's accounts by currency; empty where the user is unknown."""


class ExpiredHolds(Protocol):
    """Finds expired holds for one process at a time, by the database's clock."""

    async def take_lease(self, holder: str) -> bool:
        """Whether `holder` may release holds now; no other holder may before the lease has ended."""

    async def overdue(self, after: OverdueHold | None, limit: int) -> Sequence[OverdueHold]:
        """Open holds past their expiry, oldest first, after the given one."""

    async def oldest_overdue_at(self) -> datetime | None:
        """The earliest expiry among the overdue holds; None where there is none."""


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
