"""What any subject may need from its surroundings: the clock, secrets, alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cardops.rules.alarms.incidents import Severity

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
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
    """Raises alarms for operators; never raises an exception into the work it reports on.

    An alarm is an incident with a key. Whoever sees it again says so with the same key: operators are
    told when it opens, becomes worse or another, escalates and ends, not each time it is seen.
    """

    def notify(
        self,
        subject: str,
        message: str,
        *,
        runbook: str | None = None,
        incident: str | None = None,
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Say that an incident is there, with the runbook that says what to do.

        `incident` is its key, such as `delivery:visa`; by default the subject. Another subject under
        the same key is told as a change, so it holds no figure that changes by itself.
        """

    def resolve(self, incident: str, why: str) -> None:
        """Say that the cause of the incident is gone; nothing where no such incident is open."""

    def resolve_except(self, prefix: str, still: Collection[str], why: str) -> None:
        """Resolve the open incidents whose keys begin with `prefix`, except those of `still`."""
