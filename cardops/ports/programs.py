"""Card programs, and the keys of their partners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cardops.rules.programs.api_keys import ApiKey, NewKey
    from cardops.rules.programs.programs import Program


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
