"""Callbacks sent by one worker, against a bare client that posts the same bytes.

The sink is a separate process on loopback that answers every request with 200; the bare client uses
no database, signs nothing and records nothing.
"""

import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, cast

import aiohttp
import asyncpg
import uvloop
from typing_extensions import override

from benchmarks.bench_database import bench_database
from benchmarks.harness import Benchmark, Sides
from cardops.adapters.callback_http.client import CallbackClient
from cardops.adapters.clock import SystemClock
from cardops.adapters.postgresql.callbacks.outbox import PostgresCallbackOutbox
from cardops.adapters.postgresql.sessions import open_pool
from cardops.adapters.secrets import FileSecretStore
from cardops.rules.callbacks.secrets import secret_name, with_new_secret
from cardops.services.callbacks.callback_ports import CallbackPorts
from cardops.services.callbacks.host_queues import MAX_CONCURRENT_CALLS
from cardops.services.callbacks.sending import CallbackSending

CALLBACKS: Final = 15_000
BODY: Final = (
    b'{"transaction_id":"txn_0000000001","authorization_id":"0199a1b2c3d4e5f60718293a4b5c6d7e",'
    b'"status":"PERMIT","reason_code":"sufficient_credit","reason":"Sufficient credit",'
    b'"amount":25.00,"currency":"USD","remaining_credit":75.00,'
    b'"decided_at":"2026-11-20T12:00:00.000000Z","as_of":{"ledger_seq":1234}}'
)
RESPONSE: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Sink(asyncio.Protocol):
    """Answers each request when its body is complete."""

    def __init__(self) -> None:
        self._unread = b""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport for responses."""
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        """Answer every complete request; all bodies have the same length."""
        self._unread += data
        while (end := self._unread.find(b"\r\n\r\n")) >= 0:
            request_length = end + 4 + len(BODY)
            if len(self._unread) < request_length:
                return
            self._unread = self._unread[request_length:]
            self._transport.write(RESPONSE)


@dataclass(frozen=True, slots=True)
class Bench:
    """The database with the callbacks, the sink's URL and the signing secrets."""

    database_url: str
    sink_url: str
    secrets: FileSecretStore


def drained_per_second(bench: Bench) -> float:
    """Callbacks per second, from the worker's start until the last one is recorded as delivered."""
    return uvloop.run(_drain(bench))


async def _drain(bench: Bench) -> float:
    pool = await open_pool(bench.database_url)
    await _add_pending(pool, bench.sink_url)
    client = CallbackClient(allow_loopback=True)
    ports = CallbackPorts(PostgresCallbackOutbox(pool), bench.secrets, client, SystemClock())
    started = time.perf_counter()
    async with CallbackSending(ports).running():
        while await pool.fetchval(  # noqa: ASYNC110 - only the database knows the state
            "select exists (select 1 from callbacks where state = 'pending')"
        ):
            await asyncio.sleep(0.05)
        seconds = time.perf_counter() - started
    await client.close()
    delivered = await pool.fetchval("select count(*) from callbacks where state = 'delivered'")
    await pool.close()
    if delivered != CALLBACKS:
        raise RuntimeError(f"Only {delivered} of {CALLBACKS} callbacks were delivered.")
    return CALLBACKS / seconds


async def _add_pending(pool: asyncpg.Pool, url: str) -> None:
    await pool.execute("truncate callbacks, callback_attempts, callback_endpoints")
    await pool.execute(
        "insert into callbacks (callback_id, program, transaction_id, url, is_test, body,"
        " next_attempt_at, created_at) select 'cb_' || lpad(n::text, 32, '0'), 'bench', 't' || n,"
        " $1, true, $2, $3, $3 from generate_series(1, $4) as n",
        url,
        BODY,
        datetime.now(UTC),
        CALLBACKS,
        timeout=60,
    )


def posted_per_second(bench: Bench) -> float:
    """Posts per second by as many concurrent callers as the worker uses for one host."""
    return uvloop.run(_post(bench.sink_url))


async def _post(url: str) -> float:
    remaining = iter(range(CALLBACKS))
    async with aiohttp.ClientSession() as session:

        async def caller() -> None:
            for _ in remaining:
                async with session.post(
                    url, data=BODY, headers={"content-type": "application/json"}
                ) as response:
                    await response.read()

        started = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(MAX_CONCURRENT_CALLS)))
        return CALLBACKS / (time.perf_counter() - started)


def _serve_sink(port: Connection) -> None:
    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Sink, "127.0.0.1", 0)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(serve())


@contextmanager
def _sink() -> Iterator[str]:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe()
    process = context.Process(target=_serve_sink, args=(sender,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{receiver.recv()}/callbacks"
    finally:
        process.terminate()
        process.join()


@contextmanager
def _sides() -> Iterator[Sides]:
    with (
        _sink() as url,
        tempfile.TemporaryDirectory(prefix="cardops-bench-") as folder,
        bench_database(1) as database,
    ):
        secrets = FileSecretStore(Path(folder) / "secrets.json")
        secrets.put(secret_name("bench"), with_new_secret(None, b"s" * 32, datetime.now(UTC))[1])
        bench = Bench(database.url, url, secrets)
        yield Sides(lambda: drained_per_second(bench), lambda: posted_per_second(bench))


BENCHMARKS: Final = [
    Benchmark("callbacks_per_second", "callbacks/s", "at least 1,500 a second", _sides),
]
