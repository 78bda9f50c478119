"""The application over fakes, without a server or a database."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from typing_extensions import override

from authorizer.app import Application
from authorizer.decisions.batcher import Batcher
from authorizer.decisions.queues import MAX_BATCH
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
from tests.fakes.reads import FakeReads
from tests.fakes.secrets import FakeSecretStore


class Stuck(FakeAuthorizations):
    """A store that never commits."""

    @override
    async def decide(self, requests: Sequence[AuthorizationRequest]) -> list[AuthorizationResponse]:
        await asyncio.sleep(3600)
        return []


class ApplicationClient:
    """Calls an application in its lifespan, without a server."""

    is_draining = False

    def __init__(self, authorizations: FakeAuthorizations, **limits: Any) -> None:
        self.programs = FakePrograms()
        self.key = self.programs.create_key("default", "k", list(Scope), is_test=True).key
        outbox = FakeCallbackOutbox()
        self.dependencies = Dependencies(
            authorizations,
            self.programs,
            outbox,
            FakeReads(authorizations, outbox),
            FakeSecretStore(),
            FakeClock(),
            Limits(**limits),
        )

        @asynccontextmanager
        async def open_dependencies() -> AsyncIterator[Dependencies]:
            yield self.dependencies

        self.app = Application(open_dependencies, runs_background=False)

    async def authorize(self, amount: object = 25) -> tuple[int, dict[str, Any]]:
        async with self.app._lifespan(self.app._fastapi):
            self.app.is_draining = self.is_draining
            start, body = await self.post(self.app, {"amount": amount})
        return start["status"], json.loads(body["body"])

    async def post(
        self, asgi: Callable[..., Awaitable[None]], fields: dict[str, object]
    ) -> list[dict[str, Any]]:
        """The ASGI messages that answer an authorization request."""
        body = {"transaction_id": "t", "user_id": USER, **fields}
        messages: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": json.dumps(body).encode()}

        async def send(message: dict[str, Any]) -> None:
            messages.append(message)

        await asgi(self.scope("/v1/authorizations"), receive, send)
        return messages

    def scope(self, path: str, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
        return {
            "type": "http", "method": "POST", "path": path, "query_string": b"",
            "headers": [
                (b"authorization", f"Bearer {self.key}".encode()),
                (b"content-type", b"application/json"),
                *headers,
            ],
            "state": {"request_id": "0" * 24},
        }  # fmt: skip


async def test_request_is_answered_over_fakes() -> None:
    authorizations = FakeAuthorizations()
    await authorizations.credit(USER, 10_000)

    status, response = await ApplicationClient(authorizations).authorize("25.00")

    assert (status, response["status"], response["remaining_credit"]) == (200, "PERMIT", 75.0)


async def test_router_answers_an_authorization_like_the_hot_path() -> None:
    requests: list[dict[str, object]] = [
        {"amount": "25.00"},  # decided
        {"amount": "25.00"},  # replayed
        {"amount": "26.00"},  # another request with the same id
        {"amount": "1", "surprise": 1},  # an invalid body
    ]

    def comparable(messages: list[dict[str, Any]]) -> tuple[int, dict[bytes, bytes], Any]:
        start, body = messages
        headers = dict(start["headers"])
        headers.pop(b"x-request-id", None)
        headers.pop(b"content-length")  # depends on generated ids
        content = json.loads(body["body"])
        for generated in ("authorization_id", "decided_at"):
            content.pop(generated, None)
        return start["status"], headers, content

    responses = []
    for is_hot in (True, False):
        authorizations = FakeAuthorizations()
        await authorizations.credit(USER, 10_000)
        client = ApplicationClient(authorizations)
        async with client.app._lifespan(client.app._fastapi):
            asgi = client.app if is_hot else client.app._fastapi
            responses.append([comparable(await client.post(asgi, fields)) for fields in requests])

    assert responses[0] == responses[1]
    assert [status for status, _, _ in responses[1]] == [200, 200, 422, 422]
    assert responses[1][1][1][b"idempotent-replayed"] == b"true"


async def test_router_refuses_an_authorization_with_an_invalid_key() -> None:
    client = ApplicationClient(FakeAuthorizations())
    client.key = f"{client.key}x"

    async with client.app._lifespan(client.app._fastapi):
        start, _ = await client.post(client.app._fastapi, {"amount": "25.00"})

    assert start["status"] == 401


async def test_commit_after_the_deadline_is_503() -> None:
    client = ApplicationClient(Stuck(), deadline_seconds=0.05)
    client.dependencies.batcher = Impatient(client.dependencies.authorizations)

    status, response = await client.authorize()

    assert (status, response["type"]) == (503, "/problems/unavailable")


@pytest.mark.parametrize("action", ["capture", "void", "refund", "increment"])
async def test_missing_body_times_out_with_408(action: str) -> None:
    client = ApplicationClient(FakeAuthorizations(), deadline_seconds=0.05)
    messages: list[Any] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(3600)
        return {}

    async def send(message: Any) -> None:
        messages.append(message)

    scope = client.scope(f"/v1/authorizations/t/{action}", (b"content-length", b"50"))
    async with client.app._lifespan(client.app._fastapi), asyncio.timeout(5):
        await client.app(scope, receive, send)

    assert messages[0]["status"] == 408


class Impatient(Batcher):
    """Cancels a stuck batch when draining, so that the test ends."""

    @override
    async def drain(self) -> None:
        for task in self.decisions._workers:
            task.cancel()


async def test_draining_process_answers_503() -> None:
    client = ApplicationClient(FakeAuthorizations())
    client.is_draining = True

    assert (await client.authorize())[0] == 503


class BatchSizeRecorder(FakeAuthorizations):
    """Records the size of each batch, and yields to the event loop before it decides."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    @override
    async def decide(self, requests: Sequence[AuthorizationRequest]) -> list[AuthorizationResponse]:
        self.sizes.append(len(requests))
        await asyncio.sleep(0)
        if any(request.transaction_id == "broken" for request in requests):
            raise RuntimeError
        return await super().decide(requests)


async def test_requests_arriving_during_a_batch_form_the_next_batch() -> None:
    store = BatchSizeRecorder()
    batcher = Batcher(store)
    first = asyncio.create_task(batcher.decide(a_request("first")))
    await asyncio.sleep(0)
    rest = [asyncio.create_task(batcher.decide(a_request(f"t{n}"))) for n in range(300)]

    responses = await asyncio.gather(first, *rest)

    assert {response.kind for response in responses} == {ResponseKind.DECIDED}
    assert len(store.sizes) <= 4
    assert max(store.sizes) == MAX_BATCH


async def test_request_sent_as_the_last_batch_ends_is_decided() -> None:
    store = BlockedStore()
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


class BlockedStore(FakeAuthorizations):
    """Decides nothing until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.release = asyncio.Event()

    @override
    async def decide(self, requests: Sequence[AuthorizationRequest]) -> list[AuthorizationResponse]:
        await self.release.wait()
        return await super().decide(requests)


class ConcurrencyRecorder(FakeAuthorizations):
    """Records the accounts of concurrent batches, and the most batches there were at once."""

    def __init__(self) -> None:
        super().__init__()
        self.concurrent: list[set[AccountKey]] = []
        self.most_concurrent = 0

    @override
    async def decide(self, requests: Sequence[AuthorizationRequest]) -> list[AuthorizationResponse]:
        accounts = {request.account_key for request in requests}
        assert not any(accounts & other for other in self.concurrent)
        self.concurrent.append(accounts)
        self.most_concurrent = max(self.most_concurrent, len(self.concurrent))
        await asyncio.sleep(0.001)
        self.concurrent.remove(accounts)
        return await super().decide(requests)


async def test_concurrent_batches_never_share_an_account() -> None:
    store = ConcurrencyRecorder()
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

    assert {kind for caller_kinds in kinds for kind in caller_kinds} == {ResponseKind.DECIDED}
    assert store.most_concurrent == 2


async def test_failed_batch_answers_undecided_and_the_next_one_works() -> None:
    store = BatchSizeRecorder()
    batcher = Batcher(store)

    assert await batcher.decide(a_request("broken")) == UNDECIDED
    assert (await batcher.decide(a_request("fine"))).kind is ResponseKind.DECIDED


ACTIONS: list[tuple[str, bytes, bytes]] = [
    ("held/capture", b'{"amount":"10.00"}', b"application/json"),
    ("held/capture", b'{"amount":10}', b"application/json"),  # replayed
    ("held/capture", b'{"amount":"11.00"}', b"application/json"),  # another amount
    ("held/refund", b'{"amount":"1.00","refund_id":"r1"}', b"application/json"),
    ("held/refund", b'{"amount":"90.00","refund_id":"r2"}', b"application/json"),
    ("held/refund", b'{"amount":"1.00"}', b"application/json"),
    ("held/refund", b"", b"application/json"),
    ("held/increment", b'{"amount":"1.00","increment_id":"/"}', b"application/json"),
    ("held/capture", b"{}", b"text/plain"),
    ("held/capture", b'{"amount":1,"amount":2}', b"application/json"),
    ("held/void", b"", b"text/plain"),  # no body, so its type does not matter
    ("unknown/void", b"", b""),
    ("unknown/capture", b"", b""),
    ("~/void", b"", b""),
    ("~/capture", b"", b""),
    ("held/void", b" " * 20_000, b"application/json"),
]


async def test_router_answers_actions_like_the_direct_way() -> None:
    answers: list[list[Any]] = []
    held = a_request("held", is_capture=False)
    for is_direct in (True, False):
        authorizations = FakeAuthorizations()
        await authorizations.credit(USER, 10_000)
        await authorizations.decide([held])
        client = ApplicationClient(authorizations)
        async with client.app._lifespan(client.app._fastapi):
            await client.post(client.app, {"amount": 1})  # the key is cached from here on
            answers.append(
                [await answer_to(client, *action, is_direct=is_direct) for action in ACTIONS]
            )

    assert answers[0] == answers[1]
    assert [status for status, *_ in answers[0]] == [
        200, 200, 409, 200, 422, 422, 422, 422, 415, 422, 409, 200, 404, 422, 404, 413,
    ]  # fmt: skip


async def answer_to(
    client: ApplicationClient, path: str, body: bytes, media_type: bytes, *, is_direct: bool
) -> tuple[int, dict[bytes, bytes], Any]:
    """Status, headers and body of one action."""
    scope = client.scope(f"/v1/authorizations/{path}", (b"content-length", b"%d" % len(body)))
    scope["headers"] = [
        (name, media_type if name == b"content-type" else value) for name, value in scope["headers"]
    ]
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    if is_direct:
        assert client.app.submit_authorization(
            scope, body, lambda reply, _id: future.set_result(reply)
        )
        reply = await future
        return reply.status, dict(reply.headers), json.loads(reply.body)
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        messages.append(message)

    await client.app._fastapi(scope, receive, send)
    start, content = messages
    headers = dict(start["headers"])
    del headers[b"content-length"]
    return start["status"], headers, json.loads(content["body"])
