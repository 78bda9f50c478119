"""Live traffic: a thread that spends, holds, voids, captures and refunds until it is stopped."""

import asyncio
import threading
import time
from itertools import count
from typing import Self

from typing_extensions import override

from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.sessions import open_pool
from cardops.rules.authorizations.actions import ActionKind, AuthorizationAction
from cardops.rules.authorizations.decisions import AuthorizationRequest


def a_request(transaction_id: str, user_id: str, **more: object) -> AuthorizationRequest:
    """A spend of 1.00 USD."""
    fields = {
        "program": "default",
        "amount_minor": 100,
        "currency": "USD",
        "request_hash": transaction_id.encode(),
        "authorization_id": transaction_id,
        **more,
    }
    return AuthorizationRequest(transaction_id=transaction_id, user_id=user_id, **fields)  # type: ignore[arg-type]


class Traffic(threading.Thread):
    """Runs inside a `with` block; `rounds` is the number of completed rounds."""

    def __init__(self, url: str, user_ids: list[str]) -> None:
        super().__init__(daemon=True)
        self.rounds = 0
        self._url = url
        self._user_ids = user_ids
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()

    def wait_for(self, rounds: int) -> None:
        """Wait for that many completed rounds; fails if the thread died."""
        while self.rounds < rounds:
            assert self.is_alive(), "the traffic ended by itself"
            time.sleep(0.005)

    @override
    def run(self) -> None:
        asyncio.run(self._spend())

    async def _spend(self) -> None:
        pool = await open_pool(self._url, max_size=2)
        try:
            await pool.execute(
                "insert into programs (program, currency) values ('default', 'USD')"
                " on conflict do nothing"
            )
            authorizations = PostgresAuthorizations(pool)
            for number in count():
                if self._ended.is_set():
                    break
                await self._one_round(authorizations, number)
                self.rounds += 1
        finally:
            await pool.close()

    async def _one_round(self, authorizations: PostgresAuthorizations, number: int) -> None:
        spends = [a_request(f"s-{number}-{user}", user) for user in self._user_ids]
        holds = [a_request(f"h-{number}-{user}", user, is_capture=False) for user in self._user_ids]
        await authorizations.decide([*spends, *holds])
        first, second, *_ = self._user_ids
        for kind, transaction_id, amount in (
            (ActionKind.VOID, f"h-{number}-{first}", None),
            (ActionKind.CAPTURE, f"h-{number}-{second}", "0.40"),
            (ActionKind.REFUND, f"s-{number}-{second}", "0.25"),
        ):
            key = "r-1" if kind is ActionKind.REFUND else ""
            await authorizations.apply(
                [AuthorizationAction(kind, "default", transaction_id, amount, key)]
            )
