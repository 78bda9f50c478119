"""The HTTP client of callbacks: checked addresses only, bounded responses, no redirects.

A connection is kept for the next callback to the same host: it leads to the address that was
checked when it was opened. No session lives longer than `SESSION_SECONDS`, so that names are
resolved and checked again.
"""

import asyncio
import errno
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import SimpleNamespace
from typing import Final

import aiohttp
from yarl import URL

from cardops.adapters.callback_http.addresses import (
    CheckedResolver,
    LookUp,
    checked_socket,
    look_up,
)
from cardops.adapters.callback_http.bounded_responses import MAX_RESPONSE_BYTES, bound_responses
from cardops.rules.callbacks.callbacks import CallbackResponse

TOTAL_SECONDS: Final = 10.0
CONNECT_SECONDS: Final = 5.0
MAX_FIELD_BYTES: Final = 8 * 1024
MAX_FIELDS: Final = 100
SESSION_SECONDS: Final = 60.0
IDLE_SECONDS: Final = 15.0
USER_AGENT: Final = "Cardops/1"
# What a reused connection reports when the partner's server has just closed it.
_CLOSED_BY_PEER: Final = (errno.ECONNRESET, errno.EPIPE)


@dataclass(slots=True)
class _Session:
    """An aiohttp session and how many callbacks it has in flight."""

    session: aiohttp.ClientSession
    opened_at: float
    in_flight: int = 0
    is_retired: bool = False

    async def close_if_done(self) -> None:
        if self.is_retired and not self.in_flight:
            await self.session.close()


class CallbackClient:
    """One session for live callbacks, and one for test keys where loopback is allowed."""

    def __init__(self, *, allow_loopback: bool = False, look_up: LookUp = look_up) -> None:
        self._allow_loopback = allow_loopback
        self._look_up = look_up
        self._sessions: dict[bool, _Session] = {}

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, is_test: bool
    ) -> CallbackResponse:
        """The endpoint's response; failures of the endpoint are in it, never raised."""
        current = await self._session(allow_loopback=self._allow_loopback and is_test)
        current.in_flight += 1
        try:
            return await _post_in_time(current.session, url, body, headers)
        finally:
            current.in_flight -= 1
            await current.close_if_done()

    async def close(self) -> None:
        """Close all connections."""
        for current in self._sessions.values():
            await current.session.close()

    async def _session(self, *, allow_loopback: bool) -> _Session:
        now, current = time.monotonic(), self._sessions.get(allow_loopback)
        if current is None or now - current.opened_at > SESSION_SECONDS:
            opened = _open_session(allow_loopback=allow_loopback, look_up=self._look_up)
            self._sessions[allow_loopback] = _Session(opened, now)
            if current is not None:
                current.is_retired = True
                await current.close_if_done()
        return self._sessions[allow_loopback]


async def _post_in_time(
    session: aiohttp.ClientSession, url: str, body: bytes, headers: Mapping[str, str]
) -> CallbackResponse:
    """A response counts when it is complete, or has reached its size limit, in time."""
    try:
        async with asyncio.timeout(TOTAL_SECONDS):
            return await _post_with_retry(session, url, body, headers)
    except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError) as failure:
        # aiohttp's own message quotes what the partner sent, none of which may be stored.
        name = type(failure).__name__
        return CallbackResponse(error=f"{name}: The response is not valid HTTP.")
    except aiohttp.ServerDisconnectedError:
        return CallbackResponse(
            error="ServerDisconnectedError: Closed before the response was complete."
        )
    except aiohttp.ConnectionTimeoutError:
        return CallbackResponse(
            error=f"ConnectionTimeoutError: No connection in {CONNECT_SECONDS:g} s."
        )
    except TimeoutError:
        return CallbackResponse(error=f"TimeoutError: No complete response in {TOTAL_SECONDS:g} s.")
    except (aiohttp.ClientError, OSError, ValueError) as failure:
        return CallbackResponse(error=f"{type(failure).__name__}: {failure}")


async def _post_with_retry(
    session: aiohttp.ClientSession, url: str, body: bytes, headers: Mapping[str, str]
) -> CallbackResponse:
    """Post once more when a reused connection was closed before any response."""
    connection = SimpleNamespace(is_reused=False)
    try:
        return await _post(session, url, body, headers, connection)
    except aiohttp.ServerDisconnectedError:
        if not connection.is_reused:
            raise
    except aiohttp.ClientOSError as failure:
        if not connection.is_reused or failure.errno not in _CLOSED_BY_PEER:
            raise
    return await _post(session, url, body, headers, connection)


async def _post(
    session: aiohttp.ClientSession,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    connection: SimpleNamespace,
) -> CallbackResponse:
    async with session.post(
        # The URL was normalized at intake; it must not be interpreted in another way now.
        URL(url, encoded=True),
        data=body,
        headers={"content-type": "application/json", **headers},
        allow_redirects=False,
        trace_request_ctx=connection,
    ) as response:
        # The body is read so that the connection can be reused; none of it is kept.
        left = MAX_RESPONSE_BYTES
        while left > 0 and (part := await response.content.read(left)):
            left -= len(part)
        if left <= 0:
            response.close()
        is_success = response.status // 100 == HTTPStatus.OK // 100
        error = None if is_success else f"The endpoint answered {response.status}."
        return CallbackResponse(response.status, response.headers.get("Retry-After"), error)


def _open_session(*, allow_loopback: bool, look_up: LookUp) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        resolver=CheckedResolver(allow_loopback=allow_loopback, look_up=look_up),
        use_dns_cache=False,
        keepalive_timeout=IDLE_SECONDS,
        socket_factory=checked_socket(allow_loopback=allow_loopback),
        limit=0,  # the worker limits the callbacks in flight
    )
    bound_responses(connector)
    traces = aiohttp.TraceConfig()
    traces.on_connection_reuseconn.append(_mark_reused)
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS),
        trust_env=False,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"user-agent": USER_AGENT, "accept-encoding": "identity"},
        max_field_size=MAX_FIELD_BYTES,
        max_headers=MAX_FIELDS,
        trace_configs=[traces],
    )


async def _mark_reused(
    _: aiohttp.ClientSession,
    context: SimpleNamespace,
    __: aiohttp.TraceConnectionReuseconnParams,
) -> None:
    context.trace_request_ctx.is_reused = True
