"""Callbacks: their outbox, their sender, their administration and their metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import date, datetime
    from pathlib import Path

    from cardops.rules.callbacks.archives import ArchivedTable, ArchivePart, Retention
    from cardops.rules.callbacks.callbacks import (
        Callback,
        CallbackAttempt,
        CallbackResponse,
        CallbackResult,
        CallbackSelection,
        CallbackState,
    )
    from cardops.rules.callbacks.endpoints import Endpoint, HostCapacity


class CallbackOutbox(Protocol):
    """Pending callbacks, each leased by one worker at a time."""

    async def lease_due(
        self, at: datetime, limit: int, lease_seconds: float, capacity: HostCapacity | None = None
    ) -> list[Callback]:
        """Due callbacks, leased so that no other worker leases them meanwhile.

        At most `capacity` callbacks of each host queue are leased, so that one partner's backlog
        does not delay the others. Callbacks to a disabled endpoint are returned too, already
        `dead`, and must not be sent.
        """

    async def record(self, results: Sequence[CallbackResult]) -> None:
        """Store the result of each attempt, its delivery log entry and its endpoint's failure.

        The result of an expired lease does not change the callback, except a success.
        """

    async def release(self, callbacks: Sequence[Callback], at: datetime) -> None:
        """End the leases of callbacks that were not sent: due again, the attempt not counted."""

    async def oldest_due_at(self, at: datetime) -> datetime | None:
        """Since when the oldest due callback is due; None when none is due.

        Leased callbacks are not due.
        """

    async def dead_letter_disabled(self, at: datetime) -> list[Endpoint]:
        """Mark callbacks to newly disabled endpoints dead; each endpoint is returned once."""

    async def disabled_endpoint_count(self) -> int:
        """How many endpoints are disabled now; at most ten thousand are counted."""

    async def prune(self, before: datetime, limit: int) -> int:
        """Forget endpoints that last failed before an instant; returns how many."""

    async def list_callbacks(
        self, program: str | None, state: str | None, cursor: str | None, limit: int
    ) -> tuple[list[Callback], str | None]:
        """A page, newest first, and the next cursor."""

    async def replay(
        self, program: str | None, callback_id: str, by_key: str | None = None
    ) -> bool:
        """Make it pending and due now; False when unknown or of another program.

        It is tried once even if its endpoint is disabled. By a key's request, the audit trail names the key.
        """


class CallbackArchive(Protocol):
    """Old callbacks and attempts in the store, by the day of the callback's id."""

    retention: Retention

    def exclusively(self) -> AbstractContextManager[None]:
        """One process at a time in the block; others wait."""

    def next_day(self, table: ArchivedTable, after: date, until: datetime) -> date | None:
        """The first day after that one with rows that ended before `until`; None where none has."""

    def export(
        self, table: ArchivedTable, business_date: date, until: datetime, target: Path
    ) -> ArchivePart | None:
        """Write the day's rows that ended before `until` to one Parquet file; None where it has none.

        Columns are those of `cardops.contracts.lake.callback_archive`.
        """

    def record(self, part: ArchivePart) -> None:
        """Record that the part is in the lake: from now on its rows may be deleted."""

    def to_delete(self, table: ArchivedTable) -> Sequence[ArchivePart]:
        """Recorded parts whose rows may still be in the store, oldest first."""

    def delete(self, table: ArchivedTable, ids: Sequence[str], instants: Sequence[datetime]) -> int:
        """Delete these rows in one commit, where they are as they were archived; returns how many."""

    def finish(self, part: ArchivePart) -> None:
        """Record that the part's rows are deleted."""


class CallbackAdministration(Protocol):
    """What operators look up and change about callbacks."""

    async def find(self, callback_id: str) -> Callback | None:
        """The callback, or None where the id is unknown."""

    async def attempts(self, callback_ids: Sequence[str]) -> list[CallbackAttempt]:
        """The delivery log of callbacks as far as it is retained, oldest first."""

    async def replay_selected(self, selection: CallbackSelection) -> int:
        """Make the selected callbacks pending and due now, ids unchanged; returns how many."""

    async def endpoints(self, program: str | None, *, only_disabled: bool) -> list[Endpoint]:
        """Endpoints that have failed since their last success."""

    async def enable(self, program: str | None, endpoint: str) -> int:
        """Enable the endpoint and forget its failures; returns in how many programs."""


class CallbackSender(Protocol):
    """Posts a callback to its endpoint, and only to addresses that callbacks may reach."""

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, is_test: bool
    ) -> CallbackResponse:
        """The endpoint's response; failures of the endpoint are in it, never raised."""


class CallbackMetrics(Protocol):
    """Counts attempts and disabled endpoints."""

    def called_back(self, state: CallbackState) -> None:
        """One attempt, by the state that it led to."""

    def endpoint_disabled(self) -> None:
        """One endpoint was disabled."""
