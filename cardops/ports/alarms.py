"""Where incidents are kept, and the channels on which operators are told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from cardops.rules.alarms.incidents import Incident, IncidentState, Notice
    from cardops.rules.alarms.messages import AlarmMessage
    from cardops.rules.alarms.records import IncidentRecord


class Incidents(Protocol):
    """Incidents, each with the messages that are to be sent of it.

    A change and its messages are stored together. Messages that a call returns are claimed for the
    caller to send; what it does not confirm is handed to another by `due_messages`. `routes` are the
    channels that are told of a change, each with whether it hears of escalations alone.
    """

    def report(self, notice: Notice, routes: Sequence[Route]) -> Sequence[AlarmMessage]:
        """Record one sighting; of two processes at once one opens the incident."""

    def resolve(
        self, key: str, why: str, routes: Sequence[Route], *, by: str | None = None
    ) -> Sequence[AlarmMessage]:
        """Record that the cause is gone; nothing where no such incident is open."""

    def acknowledge(self, incident_id: int, by: str, note: str | None) -> Incident | None:
        """Record that somebody sees to it. A resolved one stays resolved; None where there is none."""

    def tend(self, routes: Sequence[Route]) -> Sequence[AlarmMessage]:
        """Tell what time alone has made due: escalations, and what was kept back for a pause."""

    def due_messages(self, limit: int) -> Sequence[AlarmMessage]:
        """Messages that failed or whose sender ended, claimed."""

    def failing_channels(self) -> Collection[str]:
        """Channels whose last messages failed: trying them again is left to `due_messages`."""

    def sent(self, message_id: int) -> None:
        """Record that the channel took it."""

    def failed(self, message_id: int, error: str) -> None:
        """Record why it did not; it is due again later."""

    def postpone(self, message_ids: Sequence[int]) -> None:
        """Give claimed messages back unsent; `due_messages` hands them out next."""

    def glance(self) -> tuple[bool, Sequence[str]]:
        """Whether anything is due to be told or sent, and the keys of unresolved incidents."""

    def open_keys(self, prefix: str) -> Sequence[str]:
        """Keys of unresolved incidents that begin with it, in order."""

    def find(self, incident_id: int) -> IncidentRecord | None:
        """One incident with its history."""

    def all(self, states: Collection[IncidentState], limit: int) -> Sequence[IncidentRecord]:
        """Incidents in these states, the worst and newest first, without their history."""

    def forget(self, before: datetime) -> int:
        """Remove what ended before that instant, with its history and messages; returns how many.

        What is not resolved stays, and so does what a channel still has to be told of.
        """

    def now(self) -> datetime:
        """The clock by which incidents are dated."""


class Route(Protocol):
    """A channel as the ledger needs it."""

    @property
    def name(self) -> str:
        """Unique among the channels."""

    @property
    def is_for_escalations(self) -> bool:
        """Whether it hears of escalations alone, and of the end of what escalated."""


class AlarmChannel(Route, Protocol):
    """Where operators read alarms."""

    def send(self, message: AlarmMessage) -> None:
        """Send one message within seconds. Raises ChannelError, without any secret in its text."""


class AlarmChannels(Protocol):
    """The channels of this instance."""

    def all(self) -> Sequence[AlarmChannel]:
        """The log with alarms.jsonl first, then those that are configured."""
