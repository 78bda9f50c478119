"""The application over fakes: no server, no database, answers at once."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from typing_extensions import override

from authorizer.app import Application
from authorizer.decisions.batcher import MAX_BATCH, Batcher
from authorizer.dependencies import Dependencies, Limits
from cardops.rules.authorizations.decisions import (
    UNDECIDED,
    AccountKey,
    AuthorizationRequest,
    AuthorizationResponse,
    ResponseKind,
)
from cardops.rules.programs.api_keys import Scope
from tests.factories.authorizations import USER, a_request
from tests.fakes.authorizations import FakeAuthorizations
from tests.fakes.clock import FakeClock
from tests.fakes.outbox import FakeCallbackOutbox
from tests.fakes.programs import FakePrograms
from tests.fakes.secrets import FakeSecretStore


class Stuck(FakeAuthorizations):
    """A store that never answers."""

    @override
    async def decide(self, requests: Sequence[AuthorizationRequest]) -> list[AuthorizationResponse]:
        await asyncio.sleep(3600)
        return []


class Desk:
    """An application in its lifespan, asked without a server."""

    def __init__(self, authorizations: FakeAuthorizations, **limits: Any) -> None:
        self.programs = FakePrograms()
        self.key = self.programs.create_key("default", "k", list(Scope), is_test=True).key
        self.dependencies = Dependencies(
            authorizations,
            self.programs,
            FakeCallbackOutbox(),
            FakeSecretStore(),
            FakeClock(),
            Limits(**limits),
        )

        @asynccontextmanager
        async def open_dependencies() -> AsyncIterator[Dependencies]:
            yield self.dependencies

        self.app = Application(open_dependencies, runs_background=False)

    async def ask(self, amount: object = 25) -> tuple[int, dict[str, Any]]:
        body = {"transaction_id": "t", "user_id": USER, "amount": amount}
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": json.dumps(body).encode()}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [
            (b"authorization", f"Bearer {self.key}".encode()),
            (b"content-type", b"application/json"),
        ]
        scope = {
            "type": "http", "method": "POST", "path": "/v1/authorizations", "headers": headers,
            "query_string": b"",
        }  # fmt: skip
        async with self.app._lifespan(self.app._fastapi):
            self.app.is_draining = self.is_draining
            await self.app(scope, receive, send)
        return sent[0]["status"], json.loads(sent[1]["body"])

    is_draining = False


async def test_a_request_is_answered_from_fakes() -> None:
    authorizations = FakeAuthorizations()
    await authorizations.credit(USER, 10_000)

    status, response = await Desk(authorizations).ask("25.00")

    assert (status, response["status"], response["remaining_credit"]) == (200, "PERMIT", 75.0)


async def test_a_store_that_does_not_commit_in_time_is_503_and_no_guess() -> None:
    administration = Desk(Stuck(), deadline_seconds=0.05)
    administration.dependencies.batcher = Impatient(administration.dependencies.authorizations)

    status, response = await administration.ask()

    assert (status, response["type"]) == (503, "/problems/unavailable")


@pytest.mark.parametrize("action", ["capture", "void", "refund", "increment"])
async def test_a_body_that_never_comes_is_not_waited_for(action: str) -> None:
    administration = Desk(FakeAuthorizations(), deadline_seconds=0.05)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(3600)
        return {}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [
        (b"authorization", f"Bearer {administration.key}".encode()),
        (b"content-type", b"application/json"),
        (b"content-length", b"50"),
    ]
    path = f"/v1/authorizations/t/{action}"
    scope = {
        "type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b"",
    }  # fmt: skip
    async with administration.app._lifespan(administration.app._fastapi), asyncio.timeout(5):
        await administration.app(scope, receive, send)

    assert sent[0]["status"] == 408


class Impatient(Batcher):
    """Leaves a stuck batch behind, so that the test ends."""

    @override
    async def drain(self) -> None:
        for task in self._workers:
            task.cancel()


async def test_a_process_that_is_stopping_answers_503() -> None:
    administration = Desk(FakeAuthorizations())
    administration.is_draining = True

    assert (await administration.ask())[0] == 503


class Counting(FakeAuthorizations):
    """Remembers how large its batches were; the first one waits for a turn of the loop."""

    sizes: list[int] = []  # noqa: RUF012 - one instance a test

    @override
    async def decide(self, requests: Sequence[AuthorizationRequest]) -> list[AuthorizationResponse]:
        self.sizes.append(len(requests))
        await asyncio.sleep(0)
        if any(request.transaction_id == "broken" for request in requests):
            raise RuntimeError
        return await super().decide(requests)


async def test_whatever_arrived_meanwhile_is_the_next_batch() -> None:
    store = Counting()
    store.sizes = []
    batcher = Batcher(store)
    first = asyncio.create_task(batcher.decide(a_request("first")))
    await asyncio.sleep(0)
    rest = [asyncio.create_task(batcher.decide(a_request(f"t{n}"))) for n in range(300)]

    responses = await asyncio.gather(first, *rest)

    assert {response.kind for response in responses} == {ResponseKind.DECIDED}
    assert len(store.sizes) <= 4
    assert max(store.sizes) == MAX_BATCH


async def test_who_asks_when_every_batch_has_just_ended_is_not_forgotten() -> None:
    store = RemoteFile()
    batcher = Batcher(store)

    async def caller() -> list[AuthorizationResponse]:
        first = await batcher.decide(a_request("first", user_id="u1"))
        return [first, await batcher.decide(a_request("second", user_id="u1"))]

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        twice = group.create_task(caller())
        await asyncio.sleep(0.01)
        other = group.create_task(batcher.decide(a_request("other", user_id="u2")))
        await asyncio.sleep(0.01)
        waited = not (twice.done() or other.done())
        store.release.set()

    names = [
        json.loads(response.body)["transaction_id"]
        for response in [*twice.result(), other.result()]
    ]
    assert waited
    assert names == ["first", "second", "other"]


class RemoteFile(FakeAuthorizations):
    """Answers nobody before it is told to, then all at once."""

    def __init__(self) -> None:
        super().__init__()
        self.release = asyncio.Event()

    @override
    async def decide(self, requests: Sequence[AuthorizationRequest]) -> list[AuthorizationResponse]:
        await self.release.wait()
        return await super().decide(requests)


class Watched(FakeAuthorizations):
    """Knows which accounts are being decided, and how many batches at once there were."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way: list[set[AccountKey]] = []
        self.most = 0

    @override
    async def decide(self, requests: Sequence[AuthorizationRequest]) -> list[AuthorizationResponse]:
        accounts = {request.account_key for request in requests}
        assert not any(accounts & other for other in self.under_way)
        self.under_way.append(accounts)
        self.most = max(self.most, len(self.under_way))
        await asyncio.sleep(0.001)
        self.under_way.remove(accounts)
        return await super().decide(requests)


async def test_two_batches_are_under_way_but_never_one_account_in_both() -> None:
    store = Watched()
    batcher = Batcher(store)

    async def caller(number: int) -> list[ResponseKind]:
        kinds = []
        for n in range(60):
            await asyncio.sleep(0.0005 * (number % 4))
            request = a_request(f"t{number}-{n}", user_id=f"u{(number + n) % 7}")
            kinds.append((await batcher.decide(request)).kind)
        return kinds

    async with asyncio.timeout(20):
        kinds = await asyncio.gather(*(caller(number) for number in range(20)))

    assert {kind for one in kinds for kind in one} == {ResponseKind.DECIDED}
    assert store.most == 2


async def test_a_batch_that_fails_leaves_nobody_waiting() -> None:
    store = Counting()
    batcher = Batcher(store)

    assert await batcher.decide(a_request("broken")) == UNDECIDED
    assert (await batcher.decide(a_request("fine"))).kind is ResponseKind.DECIDED
