"""What any subject may need from its surroundings: the clock, secrets, alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class Clock(Protocol):
    """The time of day, handed in so that no rule reads it."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""


class SecretStore(Protocol):
    """Named secrets, each a JSON object."""

    def get(self, name: str) -> Mapping[str, object] | None:
        """The secret, or None. Raises SecretUnreadableError."""

    def put(self, name: str, value: Mapping[str, object]) -> None:
        """Create or replace it."""


class Notifier(Protocol):
    """Tells operators; never raises into the work that it tells of."""

    def notify(self, subject: str, message: str, *, runbook: str | None = None) -> None:
        """One alarm, with the runbook that says what to do."""
