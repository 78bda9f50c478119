"""Callbacks that wait to be sent, and what an operator does about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cardops.rules.callbacks.callbacks import (
        Callback,
        CallbackAttempt,
        CallbackResult,
        CallbackSelection,
    )
    from cardops.rules.callbacks.endpoints import Endpoint, HostCapacity


class CallbackOutbox(Protocol):
    """Callbacks owed, taken by one worker at a time each."""

    async def take_due(
        self, at: datetime, limit: int, lease_seconds: float, room: HostCapacity | None = None
    ) -> list[Callback]:
        """Due callbacks, leased so that no other worker takes them meanwhile.

        Of each lane at most as many as there is room for, so that one partner's backlog stands
        in nobody's way. Among them, `dead` already and not to be sent, those whose endpoint is
        disabled.
        """

    async def record(self, results: Sequence[CallbackResult]) -> None:
        """What became of each attempt; also in the delivery log, and against its endpoint.

        One whose lease was lost says nothing, but that the endpoint took it after all.
        """

    async def give_back(self, callbacks: Sequence[Callback], at: datetime) -> None:
        """Taken and not tried: due again, with one attempt less."""

    async def oldest_due_at(self, at: datetime) -> datetime | None:
        """Since when the callback that has waited longest is due; None where none waits.

        One that a worker has in hand does not wait.
        """

    async def close_disabled(self, at: datetime) -> list[Endpoint]:
        """Give up what is owed to endpoints newly disabled; each endpoint is returned once."""

    async def disabled_endpoint_count(self) -> int:
        """How many endpoints are disabled just now; at most ten thousand are counted."""

    async def prune(self, before: datetime, limit: int) -> int:
        """Forget attempts, and failures of endpoints, from before an instant; how many."""

    async def list_callbacks(
        self, program: str | None, state: str | None, cursor: str | None, limit: int
    ) -> tuple[list[Callback], str | None]:
        """A page, newest first, and the next cursor."""

    async def replay(self, program: str | None, callback_id: str) -> bool:
        """Owe it again, now; False where unknown (also: another program's).

        It is tried once although its endpoint may be disabled.
        """


class CallbackAdministration(Protocol):
    """What a person looks up and sets right about callbacks."""

    async def find(self, callback_id: str) -> Callback | None:
        """One callback."""

    async def attempts(self, callback_ids: Sequence[str]) -> list[CallbackAttempt]:
        """Their delivery log, as long as it is kept, oldest first."""

    async def replay_selected(self, selection: CallbackSelection) -> int:
        """Owe all of them again, with the ids they had; how many."""

    async def endpoints(self, program: str | None, *, only_disabled: bool) -> list[Endpoint]:
        """Endpoints that have failed since their last success."""

    async def enable(self, program: str | None, endpoint: str) -> int:
        """Take the endpoint back into use, with a clean slate; of how many programs."""
