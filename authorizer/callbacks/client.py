"""The HTTP client of callbacks: connects to checked addresses only, follows nothing.

Belongs here: sessions, what bounds an answer, what is said of one. A connection is kept for the
next callback to the same host: it leads to the address that was checked when it was opened, and
no session lives for long, so that names are looked up again.
"""

import asyncio
import errno
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from typing_extensions import override
from yarl import URL

from authorizer.callbacks.addresses import (
    AddressRefusedError,
    CheckedResolver,
    LookUp,
    check_address,
    checked_socket,
    look_up,
)
from cardops.rules.callbacks.callbacks import Response

__all__ = ["AddressRefusedError", "CallbackClient", "CheckedResolver", "check_address"]

TOTAL_SECONDS: Final = 10.0
CONNECT_SECONDS: Final = 5.0
MAX_RESPONSE_BYTES: Final = 64 * 1024
# Status line and fields, informational answers before them included.
MAX_HEAD_BYTES: Final = 32 * 1024
MAX_FIELD_BYTES: Final = 8 * 1024
MAX_FIELDS: Final = 100
SESSION_SECONDS: Final = 60.0
IDLE_SECONDS: Final = 15.0
USER_AGENT: Final = "Cardops/1"
# What a partner's server does to a kept connection that it has just closed.
_CLOSED_UNDER_US: Final = (errno.ECONNRESET, errno.EPIPE)


class BoundedAnswer(ResponseHandler):
    """Reads no more of one answer than its bounds, however much is sent at once."""

    _left = 0

    @override
    def set_response_params(self, **params: Any) -> None:
        """A new answer begins."""
        self._left = MAX_HEAD_BYTES + MAX_RESPONSE_BYTES
        super().set_response_params(**params)

    @override
    def data_received(self, data: bytes) -> None:
        """Parse what is within the bounds; what is above them ends the connection."""
        fits = len(data) <= self._left
        super().data_received(data if fits else data[: self._left])
        self._left -= len(data)
        if not fits and self.transport is not None:
            # Whoever has its head and enough of its body goes on; anybody else gets an error.
            self.transport.abort()


@dataclass(slots=True)
class _Session:
    """An aiohttp session and how many callbacks it has in hand."""

    session: aiohttp.ClientSession
    opened_at: float
    in_hand: int = 0
    is_retired: bool = False

    async def close_if_done(self) -> None:
        if self.is_retired and not self.in_hand:
            await self.session.close()


class CallbackClient:
    """One client for live callbacks, and one for test keys where loopback is allowed."""

    def __init__(self, *, allow_loopback: bool = False, look_up: LookUp = look_up) -> None:
        self._allow_loopback = allow_loopback
        self._look_up = look_up
        self._sessions: dict[bool, _Session] = {}

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, is_test: bool
    ) -> Response:
        """What the partner said; never raises for what a partner can cause."""
        one = await self._session(allow_loopback=self._allow_loopback and is_test)
        one.in_hand += 1
        try:
            return await _said(one.session, url, body, headers)
        finally:
            one.in_hand -= 1
            await one.close_if_done()

    async def close(self) -> None:
        """Close connections."""
        for one in self._sessions.values():
            await one.session.close()

    async def _session(self, *, allow_loopback: bool) -> _Session:
        now, one = time.monotonic(), self._sessions.get(allow_loopback)
        if one is None or now - one.opened_at > SESSION_SECONDS:
            made = _new_session(allow_loopback=allow_loopback, look_up=self._look_up)
            self._sessions[allow_loopback] = _Session(made, now)
            if one is not None:
                one.is_retired = True
                await one.close_if_done()
        return self._sessions[allow_loopback]


async def _said(
    session: aiohttp.ClientSession, url: str, body: bytes, headers: Mapping[str, str]
) -> Response:
    """An answer counts once it is complete, or has run to its bound, in time."""
    try:
        async with asyncio.timeout(TOTAL_SECONDS):
            return await _posted(session, url, body, headers)
    except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError) as failure:
        # Its own words quote what the partner sent, and none of that is kept.
        return Response(error=f"{type(failure).__name__}: The answer is no readable HTTP.")
    except aiohttp.ServerDisconnectedError:
        return Response(error="ServerDisconnectedError: Closed before an answer was complete.")
    except aiohttp.ConnectionTimeoutError:
        return Response(error=f"ConnectionTimeoutError: No connection in {CONNECT_SECONDS:g} s.")
    except TimeoutError:
        return Response(error=f"TimeoutError: No complete answer in {TOTAL_SECONDS:g} s.")
    except (aiohttp.ClientError, OSError, ValueError) as failure:
        return Response(error=f"{type(failure).__name__}: {failure}")


async def _posted(
    session: aiohttp.ClientSession, url: str, body: bytes, headers: Mapping[str, str]
) -> Response:
    """Once more where a kept connection was closed under us before any answer."""
    connection = SimpleNamespace(is_kept=False)
    try:
        return await _answer(session, url, body, headers, connection)
    except aiohttp.ServerDisconnectedError:
        if not connection.is_kept:
            raise
    except aiohttp.ClientOSError as failure:
        if not connection.is_kept or failure.errno not in _CLOSED_UNDER_US:
            raise
    return await _answer(session, url, body, headers, connection)


async def _answer(
    session: aiohttp.ClientSession,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    connection: SimpleNamespace,
) -> Response:
    async with session.post(
        # The URL was parsed at intake; nothing may read it in another way now.
        URL(url, encoded=True),
        data=body,
        headers={"content-type": "application/json", **headers},
        allow_redirects=False,
        trace_request_ctx=connection,
    ) as response:
        # Read to its end, so that the connection can be kept; none of it is.
        left = MAX_RESPONSE_BYTES
        while left > 0 and (part := await response.content.read(left)):
            left -= len(part)
        if left <= 0:
            response.close()
        is_success = response.status // 100 == HTTPStatus.OK // 100
        error = None if is_success else f"The endpoint answered {response.status}."
        return Response(response.status, response.headers.get("Retry-After"), error)


def _new_session(*, allow_loopback: bool, look_up: LookUp) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        resolver=CheckedResolver(allow_loopback=allow_loopback, look_up=look_up),
        use_dns_cache=False,
        keepalive_timeout=IDLE_SECONDS,
        socket_factory=checked_socket(allow_loopback=allow_loopback),
        limit=0,  # the worker bounds what it has in hand
    )
    # aiohttp has no setting for it; tests hold the bounds.
    factory = partial(BoundedAnswer, asyncio.get_running_loop())
    connector._factory = factory  # type: ignore[assignment] # noqa: SLF001
    traces = aiohttp.TraceConfig()
    traces.on_connection_reuseconn.append(_note_kept)
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


async def _note_kept(
    _: aiohttp.ClientSession,
    context: SimpleNamespace,
    __: aiohttp.TraceConnectionReuseconnParams,
) -> None:
    context.trace_request_ctx.is_kept = True
