"""A partner's HTTP client over one keep-alive connection, on bare streams, without retries."""

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    head: bytes
    body: bytes

    @property
    def is_replayed(self) -> bool:
        return b"\r\nidempotent-replayed: true\r\n" in self.head.lower()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class KeepAlive:
    """One connection, reopened after it was lost. Raises OSError if a response was lost."""

    def __init__(self, port: int, key: str) -> None:
        self.port = port
        self._head = (
            f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
            "Content-Type: application/json\r\n"
        )
        # When the kernel accepted the whole last request; None before that.
        self.sent_at: float | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection, and wait until it is closed."""
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            writer.close()
            with suppress(OSError):  # the server has reset the connection
                await writer.wait_closed()

    async def call(self, method: str, path: str, body: object = None) -> Response:
        """The response to one request. Raises OSError, TimeoutError."""
        content = b"" if body is None else json.dumps(body).encode()
        request = f"{method} {path} HTTP/1.1\r\n{self._head}Content-Length: {len(content)}\r\n\r\n"
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self._exchange(request.encode() + content)
        except asyncio.IncompleteReadError as error:
            await self.close()
            raise ConnectionResetError("the response was incomplete") from error
        except (OSError, asyncio.CancelledError):
            await self.close()
            raise

    async def authorize(self, body: object) -> Response:
        return await self.call("POST", "/v1/authorizations", body)

    async def _exchange(self, request: bytes) -> Response:
        self.sent_at = None
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writer.write(request)
        if not self._writer.transport.get_write_buffer_size():
            self.sent_at = time.monotonic()
        head = await self._reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        length = int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0])
        body = await self._reader.readexactly(length)
        if b"\r\nconnection: close\r\n" in lower:
            await self.close()
        return Response(int(head[9:12]), head, body)
