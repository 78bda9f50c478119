"""What the authorizer needs: decisions, callbacks, who may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cardops.rules.access import Caller
    from cardops.rules.authorization import Answer, Question
    from cardops.rules.callbacks import Callback, CallbackResult
    from cardops.rules.holds import AuthorizationView
    from cardops.rules.ledger import Account
    from cardops.rules.moves import Move, MoveAnswer


class Authorizations(Protocol):
    """Decides spending, in batches, each batch one durable commit."""

    async def decide(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer a question, in order. A failing member does not fail its neighbours.

        Where nothing could be committed in time the answer is `undecided`: never a guess.
        """

    async def move(self, move: Move) -> MoveAnswer:
        """Capture, void, refund or increment; sticky by its key. Raises StoreUnavailableError."""

    async def find(self, program: str, transaction_id: str) -> AuthorizationView | None:
        """The stored decision with its present state, or None (also: another program's)."""

    async def accounts(self, program: str, user_id: str) -> Sequence[Account]:
        """The user's accounts by currency; empty where unknown."""

    async def expire_holds(self, at: datetime, limit: int) -> int:
        """End holds past their time; how many."""


class Access(Protocol):
    """Who a key belongs to (asynchronous: the authorizer)."""

    async def find_caller(self, key_id: str) -> Caller | None:
        """The live key with its program; None where unknown or revoked."""

    async def is_ready(self) -> bool:
        """Whether the store answers."""


class CallbackOutbox(Protocol):
    """Callbacks owed, taken by one worker at a time each."""

    async def take_due(self, at: datetime, limit: int, lease_seconds: float) -> list[Callback]:
        """Due callbacks, leased so that no other worker takes them meanwhile."""

    async def record(self, results: Sequence[CallbackResult]) -> None:
        """What became of each attempt."""

    async def list_callbacks(
        self, program: str | None, state: str | None, cursor: str | None, limit: int
    ) -> tuple[list[Callback], str | None]:
        """A page, newest first, and the next cursor."""

    async def replay(self, program: str | None, callback_id: str) -> bool:
        """Owe it again, now; False where unknown (also: another program's)."""

    async def oldest_due_at(self, at: datetime) -> datetime | None:
        """Since when the callback that has waited longest is due; None where none waits.

        One that a worker has in hand does not wait.
        """
