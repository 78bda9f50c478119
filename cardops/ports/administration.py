"""Programs, keys, secrets, and who is told of an alarm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cardops.rules.accounts.spending_limits import Allowance, LimitKind, SpendingLimit
    from cardops.rules.programs.access import ApiKey, NewKey, Program


class Notifier(Protocol):
    """Tells operators; never raises into the work that it tells of."""

    def notify(self, subject: str, message: str, *, runbook: str | None = None) -> None:
        """One alarm, with the runbook that says what to do."""


class SecretStore(Protocol):
    """Named secrets, each a JSON object."""

    def get(self, name: str) -> Mapping[str, object] | None:
        """The secret, or None. Raises SecretUnreadableError."""

    def put(self, name: str, value: Mapping[str, object]) -> None:
        """Create or replace it."""


class Programs(Protocol):
    """Card programs and their partners' keys (synchronous: commands and sensors)."""

    def create(self, program: Program) -> bool:
        """True where it was new; an existing one is left as it is."""

    def find(self, program: str) -> Program | None:
        """The program with its callback hosts, or None."""

    def all(self) -> Sequence[Program]:
        """By name."""

    def create_key(
        self, program: str, name: str, scopes: Sequence[str], *, is_test: bool
    ) -> NewKey:
        """A new key; the secret part is in the result and nowhere else, ever again."""

    def keys(self, program: str | None = None) -> Sequence[ApiKey]:
        """Keys, revoked ones included."""

    def revoke_key(self, key_id: str) -> bool:
        """False where there is no such key; revoking twice keeps the first instant."""

    def set_blocked(
        self, program: str, user_id: str, *, is_blocked: bool, changed_by: str = "unnamed"
    ) -> None:
        """Block or unblock a user's spending; who did it is kept."""


class SpendingLimits(Protocol):
    """Limits of users, and with user `''` of each user of a program (synchronous: commands).

    Decisions obey from their commit on; every change is kept with who made it.
    """

    def change(
        self,
        program: str,
        user_id: str,
        currency: str,
        limits: Sequence[SpendingLimit],
        *,
        changed_by: str,
    ) -> None:
        """Set them; an amount or a count that is not named stays as it was."""

    def remove(
        self,
        program: str,
        user_id: str,
        currency: str,
        key: tuple[LimitKind, int],
        *,
        changed_by: str,
    ) -> bool:
        """False where there is no such limit."""

    def own(self, program: str, user_id: str) -> Mapping[str, Sequence[SpendingLimit]]:
        """What was set for exactly this user (or `''`), by currency."""

    def used(self, program: str, user_id: str, at: datetime) -> Mapping[str, Sequence[Allowance]]:
        """The limits in force for a user and what is used of each, by currency."""

    def changes(self, program: str, user_id: str) -> Sequence[Mapping[str, object]]:
        """Who changed what, oldest first: `changed_by`, `before`, `after`."""
