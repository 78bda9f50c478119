"""What any subject may need from its surroundings: the clock, secrets, alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


class Clock(Protocol):
    """The current time, passed in so that no rule reads it itself."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""


class DatabaseTime(Protocol):
    """The clock that decides: the database's."""

    async def database_time(self) -> datetime | None:
        """Its present instant, aware; None where the database does not respond in time."""


class DatabaseWatch(Protocol):
    """Keeps the database running that belongs to this installation, and says when it does not run."""

    @property
    def outage(self) -> str | None:
        """Why the database does not run now; None while it runs."""

    @property
    def outage_count(self) -> int:
        """How often it was found gone since this process began to use it."""


class SecretStore(Protocol):
    """Named secrets, each a JSON object."""

    def get(self, name: str) -> Mapping[str, object] | None:
        """The secret, or None. Raises SecretUnreadableError."""

    def put(self, name: str, value: Mapping[str, object]) -> None:
        """Create or replace the secret."""

    def names(self, prefix: str) -> Sequence[str]:
        """The names of secrets that begin with it, in order. Raises SecretUnreadableError."""


class Notifier(Protocol):
    """Raises alarms for operators; never raises an exception into the work it reports on."""

    def notify(self, subject: str, message: str, *, runbook: str | None = None) -> None:
        """Send one alarm, with the runbook that says what to do."""
