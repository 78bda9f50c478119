"""Graceful shutdown: every request sent before the signal is answered, with `connection: close`.

The process is paused while clients send, so that every request is unread in the kernel when the
signal arrives: in the buffers of open connections, and in the queue of connections to accept.
"""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import pytest

from tests.oracles.histories import violations
from tests.oracles.ledger_totals import assert_books_add_up
from tests.oracles.observed_events import ObservedEvents
from tests.oracles.recording import Recorder
from tests.servers.authorizer_process import AuthorizerProcess
from tests.servers.killable_credit import credit_users
from tests.servers.raw_http import RawReply
from tests.servers.starvation import Starvation

pytestmark = pytest.mark.database

KEEP_ALIVE_COUNT, NEW_COUNT, PIPELINED_COUNT = 8, 40, 3


@pytest.fixture(
    params=[
        pytest.param(1, id="one process"),
        pytest.param(2, id="two workers", marks=pytest.mark.soak),
    ]
)
async def api(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path
) -> AsyncIterator[AuthorizerProcess]:
    with AuthorizerProcess(database_url, tmp_path, workers=request.param) as process:
        credit_users(database_url, {"user_1": 1_000_000})
        # Workers start after their supervisor.
        await asyncio.gather(*(asyncio.to_thread(process.call, "GET", "/livez") for _ in range(20)))
        yield process


class Client:
    """A connection that sends requests without waiting for responses."""

    def __init__(self, api: AuthorizerProcess) -> None:
        self.port, self.key = api.port, api.key

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)

    def send_requests(self, *names: str) -> None:
        """Send one request for each name in a single write."""
        self.writer.write(b"".join(self._request(name) for name in names))

    async def response(self) -> RawReply:
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        return RawReply(head + await self.reader.readexactly(length))

    async def responses(self, count: int) -> list[RawReply]:
        """Exactly so many responses, and then the end of the connection without a reset."""
        async with asyncio.timeout(10):
            replies = [await self.response() for _ in range(count)]
            assert await self.reader.read() == b""
        return replies

    def _request(self, name: str) -> bytes:
        body = json.dumps({"transaction_id": name, "user_id": "user_1", "amount": "1.00"}).encode()
        head = (
            f"POST /v1/authorizations HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {self.key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


async def test_shutdown_under_load_answers_requests_sent_before_it(api: AuthorizerProcess) -> None:
    recorder = Recorder([api.port], api.key, ["user_1"])
    load = asyncio.create_task(recorder.run(1_000_000, connections=16))
    await asyncio.sleep(0.5)
    waited = Starvation(api.process.pid)
    signalled_at = time.monotonic()
    api.process.send_signal(signal.SIGTERM)
    code = await asyncio.to_thread(waited.until_end_of, api.process, 60)
    shutdown_seconds = time.monotonic() - signalled_at
    recorder.stop()
    await load

    # Only requests that the kernel had before the signal must be answered.
    before = [call for call in recorder.calls if (call.sent_at or signalled_at) < signalled_at]
    assert code == 0
    assert shutdown_seconds - waited.seconds() < 3
    assert {call.status for call in before} <= {200, 404, 409, 422, 503}
    assert any(call.status == 200 and call.ended > signalled_at for call in before)
    observed = ObservedEvents(api.url, recorder.calls, {900: (0.0, signalled_at)})
    assert observed.errors == []
    assert violations(observed.events["user_1"]) == []
    assert_books_add_up(api.url)


async def test_every_request_sent_before_a_shutdown_is_answered(api: AuthorizerProcess) -> None:
    async with AsyncExitStack() as stack:
        keep_alive = [await stack.enter_async_context(Client(api)) for _ in range(KEEP_ALIVE_COUNT)]
        idle = await stack.enter_async_context(Client(api))
        for number, client in enumerate([*keep_alive, idle]):
            client.send_requests(f"before-{number}")
            assert (await client.response()).status == 200
        halted = pids_of(api)
        for pid in halted:
            os.kill(pid, signal.SIGSTOP)
        new = [await stack.enter_async_context(Client(api)) for _ in range(NEW_COUNT)]
        ids_by_client = {
            client: [f"keep_alive-{number}"] for number, client in enumerate(keep_alive)
        }
        ids_by_client |= {client: [f"new-{number}"] for number, client in enumerate(new)}
        ids_by_client[keep_alive[0]] = [f"pipelined-{number}" for number in range(PIPELINED_COUNT)]
        for client, names in ids_by_client.items():
            client.send_requests(*names)
        api.process.send_signal(signal.SIGTERM)
        for pid in halted:
            os.kill(pid, signal.SIGCONT)

        replies_by_client = {
            client: await client.responses(len(names)) for client, names in ids_by_client.items()
        }
        assert await idle.responses(0) == []
        assert await asyncio.to_thread(api.process.wait, 20) == 0

    assert {reply.status for replies in replies_by_client.values() for reply in replies} <= {
        200,
        503,
    }
    if api.workers == 1:  # the supervisor forwards the signal to its workers a moment later
        assert all(
            "\r\nconnection: close" in replies[-1].head for replies in replies_by_client.values()
        )


def pids_of(api: AuthorizerProcess) -> list[int]:
    """The server process, or the supervisor and its workers."""
    parents = {
        int(path.parent.name): int(path.read_text().rpartition(")")[2].split()[1])
        for path in Path("/proc").glob("[0-9]*/stat")
    }
    return [api.process.pid, *(pid for pid, parent in parents.items() if parent == api.process.pid)]
