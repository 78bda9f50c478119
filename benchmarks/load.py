"""A load of HTTP requests: as many as are answered, or at a fixed rate that waits for nobody.

At a fixed rate a request is due at its own time whether or not the ones before it were
answered, and its latency counts from then: a server that stalls is seen to stall. A thread sleeps
until each request is due: the loop's own clock has whole milliseconds, and a load that never
sleeps takes a processor from what it measures.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final, cast

from typing_extensions import override

# The bytes of one whole request, made anew each time it is called.
Request = Callable[[], bytes]
CONNECT_SECONDS: Final = 10.0


class _Connection(asyncio.Protocol):
    """One keep-alive connection with one request under way."""

    def __init__(self, answered: "Callable[[_Connection, bytes], None]") -> None:
        self._answered = answered
        self._received = b""
        self.due = 0.0

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
            self._answered(self, response)

    def send(self, request: bytes, due: float) -> None:
        self.due = due
        self.transport.write(request)


class Load:
    """Connections to one server; counts answers that are 200 and keeps their latencies."""

    def __init__(self, port: int, connections: int, request: Request) -> None:
        self._port = port
        self._count = connections
        self._request = request
        self._free: deque[_Connection] = deque()
        self._due: deque[float] = deque()
        self._until: float = 0.0
        self._all_answered = asyncio.Event()
        self.latencies: list[float] = []
        self.refused = 0

    async def saturate(self, seconds: float) -> float:
        """Answers a second while every connection always has a request under way."""
        await self._connect()
        started = time.perf_counter()
        self._until = started + seconds
        for connection in list(self._free):
            connection.send(self._request(), time.perf_counter())
        self._free.clear()
        await self._all_answered.wait()
        self._close()
        return len(self.latencies) / (time.perf_counter() - started)

    async def at_rate(self, per_second: float, until: float | Callable[[], bool]) -> list[float]:
        """Latencies in seconds of requests that were due at even intervals.

        For so many seconds, or while the condition holds.
        """
        await self._connect()
        goes_on = until if callable(until) else _for_seconds(until)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._keep_time, loop, per_second, goes_on)
        if len(self._free) < self._count:
            self._all_answered.clear()
            await self._all_answered.wait()
        self._close()
        return self.latencies

    def _keep_time(
        self, loop: asyncio.AbstractEventLoop, per_second: float, goes_on: Callable[[], bool]
    ) -> None:
        started, number = time.perf_counter(), 0
        while goes_on():
            due = started + number / per_second
            time.sleep(max(due - time.perf_counter(), 0))
            loop.call_soon_threadsafe(self._ask, due)
            number += 1

    def _ask(self, due: float) -> None:
        if self._free:
            self._free.popleft().send(self._request(), due)
        else:
            self._due.append(due)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(self._count):
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await loop.create_connection(
                    lambda: _Connection(self._on_answer), "127.0.0.1", self._port
                )
            self._free.append(connection)

    def _on_answer(self, connection: _Connection, response: bytes) -> None:
        now = time.perf_counter()
        if response[9:12] == b"200":
            self.latencies.append(now - connection.due)
        else:
            self.refused += 1
        if now < self._until:
            connection.send(self._request(), now)
        elif self._due:
            connection.send(self._request(), self._due.popleft())
        else:
            self._free.append(connection)
            if len(self._free) == self._count:
                self._all_answered.set()

    def _close(self) -> None:
        for connection in self._free:
            connection.transport.close()
        if self.refused:
            raise RuntimeError(f"{self.refused} requests were not answered 200")


def _for_seconds(seconds: float) -> Callable[[], bool]:
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() < end


def percentile(values: list[float], share: float) -> float:
    """The value below which that share of them lies."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]
