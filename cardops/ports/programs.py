"""Card programs, and the keys of their partners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cardops.rules.programs.api_keys import ApiKey, NewKey
    from cardops.rules.programs.programs import Program


class Programs(Protocol):
    """Card programs and their partners' API keys (synchronous, for commands and sensors)."""

    def create(self, program: Program) -> bool:
        """True where it was new; an existing program is not changed."""

    def find(self, program: str) -> Program | None:
        """The program with its callback hosts, or None."""

    def all(self) -> Sequence[Program]:
        """All programs by name."""

    def set_network_route(
        self, program: str, scheme: str, network: str | None, *, set_by: str
    ) -> None:
        """From now on disputes of the scheme go to this card company; None: to none. Audited."""

    def set_response_days(
        self, program: str, network: str, stage: str, days: int | None, *, set_by: str
    ) -> None:
        """From now on the processor leaves these days at that stage; None: the published ones. Audited."""

    def create_key(
        self, program: str, name: str, scopes: Sequence[str], *, is_test: bool
    ) -> NewKey:
        """Create a key; the result is the only place that ever holds its secret."""

    def keys(self, program: str | None = None) -> Sequence[ApiKey]:
        """All keys, or those of one program, including revoked ones."""

    def revoke_key(self, key_id: str) -> bool:
        """False where the key is unknown; revoking again keeps the first instant."""

    def set_blocked(
        self, program: str, user_id: str, *, is_blocked: bool, changed_by: str = "unnamed"
    ) -> None:
        """Block or unblock a user's spending; audited with `changed_by`."""

    def has_account(self, program: str, user_id: str) -> bool:
        """Whether anything was ever deposited for the user."""
