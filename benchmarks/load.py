"""A load of HTTP requests: at saturation, or at a fixed rate independent of the responses.

At a fixed rate each request has its own send time, whether or not earlier ones were answered, and
its latency counts from that time: a stalled server shows up as latency (no coordinated omission). A
thread sleeps until each send time: the event loop's clock has whole milliseconds, and a load that
never sleeps takes a processor from the server it measures.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, cast

from typing_extensions import override

# Returns the bytes of a new request.
Request = Callable[[], bytes]
CONNECT_SECONDS: Final = 10.0


class RequestsRefusedError(RuntimeError):
    """Requests of a load got another status than 200, so its figures mean something else."""


def post(path: str, key: str, body: str) -> bytes:
    """A request with a key and a JSON body."""
    return (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}"
    ).encode()


class _Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request in progress."""

    def __init__(self, on_response: "Callable[[_Connection, bytes], None]") -> None:
        self._on_response = on_response
        self._received = b""
        self.send_at = 0.0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        at = self._received.find(b"content-length: ", 0, end) + 16
        length = int(self._received[at : self._received.find(b"\r", at)])
        if len(self._received) >= end + 4 + length:
            response, self._received = self._received, b""
            self._on_response(self, response)

    def send(self, request: bytes, send_at: float) -> None:
        self.send_at = send_at
        self.transport.write(request)


class Load:
    """Connections to one server; records the latencies of responses with status 200."""

    def __init__(self, port: int, connections: int, request: Request) -> None:
        self._port = port
        self._count = connections
        self._request = request
        self._free: deque[_Connection] = deque()
        self._waiting: deque[float] = deque()
        self._goes_on: Callable[[], bool] = lambda: False
        self._all_answered = asyncio.Event()
        self.latencies: list[float] = []
        self.refused = 0

    async def answer(self, requests: Sequence[bytes]) -> float:
        """Responses per second until each of these requests has its response."""
        waiting = deque(requests)
        self._request, self._count = waiting.popleft, min(self._count, len(waiting))
        return await self.saturate(lambda: bool(waiting))

    async def saturate(self, until: float | Callable[[], bool]) -> float:
        """Responses per second while every connection always has a request in progress."""
        await self._connect()
        started = time.perf_counter()
        self._goes_on = until if callable(until) else _for_seconds(until)
        for connection in list(self._free):
            connection.send(self._request(), time.perf_counter())
        self._free.clear()
        await self._all_answered.wait()
        self._close()
        return len(self.latencies) / (time.perf_counter() - started)

    async def at_rate(self, per_second: float, until: float | Callable[[], bool]) -> list[float]:
        """Latencies in seconds of requests sent at even intervals.

        `until` is a number of seconds, or a condition to go on.
        """
        await self._connect()
        goes_on = until if callable(until) else _for_seconds(until)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._send_on_time, loop, per_second, goes_on)
        if len(self._free) < self._count:
            self._all_answered.clear()
            await self._all_answered.wait()
        self._close()
        return self.latencies

    def _send_on_time(
        self, loop: asyncio.AbstractEventLoop, per_second: float, goes_on: Callable[[], bool]
    ) -> None:
        started, number = time.perf_counter(), 0
        while goes_on():
            send_at = started + number / per_second
            time.sleep(max(send_at - time.perf_counter(), 0))
            loop.call_soon_threadsafe(self._send, send_at)
            number += 1

    def _send(self, send_at: float) -> None:
        if self._free:
            self._free.popleft().send(self._request(), send_at)
        else:
            self._waiting.append(send_at)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(self._count):
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await loop.create_connection(
                    lambda: _Connection(self._on_response), "127.0.0.1", self._port
                )
            self._free.append(connection)

    def _on_response(self, connection: _Connection, response: bytes) -> None:
        now = time.perf_counter()
        if response[9:12] == b"200":
            self.latencies.append(now - connection.send_at)
        else:
            self.refused += 1
        if self._goes_on():
            connection.send(self._request(), now)
        elif self._waiting:
            connection.send(self._request(), self._waiting.popleft())
        else:
            self._free.append(connection)
            if len(self._free) == self._count:
                self._all_answered.set()

    def _close(self) -> None:
        for connection in self._free:
            connection.transport.close()
        if self.refused:
            raise RequestsRefusedError(f"{self.refused} requests did not get status 200.")


def _for_seconds(seconds: float) -> Callable[[], bool]:
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() < end


def percentile(values: list[float], share: float) -> float:
    """The value below which this share of the values lies."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]
