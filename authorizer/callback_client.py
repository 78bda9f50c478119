"""The HTTP client of callbacks: connects to checked addresses only, follows nothing.

A resolver alone is bypassed by address literals, so the socket is refused once more by the
address that it is about to connect to.
"""

import asyncio
import errno
import socket
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from typing_extensions import override

from cardops.rules.callback_urls import is_loopback_address, is_public_address
from cardops.rules.callbacks import Response

TOTAL_SECONDS: Final = 10.0
CONNECT_SECONDS: Final = 5.0
MAX_RESPONSE_BYTES: Final = 64 * 1024
USER_AGENT: Final = "Cardops/1"


class AddressRefusedError(OSError):
    """A callback's host has an address that must not be called."""


class CheckedResolver(AbstractResolver):
    """Resolves, and refuses the host where any of its addresses is not allowed."""

    def __init__(self, *, allow_loopback: bool) -> None:
        self._allow_loopback = allow_loopback

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Every address of the host. Raises AddressRefusedError."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        for entry in found:
            check_address(str(entry[4][0]), allow_loopback=self._allow_loopback)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=proto,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, proto, _, address in found
        ]

    @override
    async def close(self) -> None:
        """Nothing is kept."""


class CallbackClient:
    """One client for live callbacks, and one for test keys where loopback is allowed."""

    def __init__(self, *, allow_loopback: bool = False) -> None:
        self._allow_loopback = allow_loopback
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, is_test: bool
    ) -> Response:
        """What the partner said; never raises for what a partner can cause."""
        session = self._session(allow_loopback=self._allow_loopback and is_test)
        try:
            async with session.post(
                url,
                data=body,
                headers={"content-type": "application/json", **headers},
                allow_redirects=False,
            ) as response:
                # Read a bounded part so that the connection ends cleanly; none of it is kept.
                await response.content.read(MAX_RESPONSE_BYTES)
                is_success = response.status // 100 == HTTPStatus.OK // 100
                error = None if is_success else f"The endpoint answered {response.status}."
                return Response(response.status, response.headers.get("Retry-After"), error)
        except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError) as failure:
            # Its own words quote what the partner sent, and none of that is kept.
            return Response(error=f"{type(failure).__name__}: The answer is no readable HTTP.")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as failure:
            return Response(error=f"{type(failure).__name__}: {failure}")

    async def close(self) -> None:
        """Close connections."""
        for session in self._sessions.values():
            await session.close()

    def _session(self, *, allow_loopback: bool) -> aiohttp.ClientSession:
        if allow_loopback not in self._sessions:
            self._sessions[allow_loopback] = _new_session(allow_loopback=allow_loopback)
        return self._sessions[allow_loopback]


def check_address(address: str, *, allow_loopback: bool) -> None:
    """Raises AddressRefusedError."""
    if is_public_address(address) or (allow_loopback and is_loopback_address(address)):
        return
    raise AddressRefusedError(errno.EACCES, "the callback's host has an address that is not public")


def _new_session(*, allow_loopback: bool) -> aiohttp.ClientSession:
    def checked_socket(entry: tuple[Any, ...]) -> socket.socket:
        family, kind, proto, _, address = entry
        check_address(str(address[0]), allow_loopback=allow_loopback)
        made = socket.socket(family, kind, proto)
        made.setblocking(False)  # noqa: FBT003 - the standard library's signature
        return made

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            resolver=CheckedResolver(allow_loopback=allow_loopback),
            use_dns_cache=False,
            force_close=True,
            socket_factory=checked_socket,
            limit=64,
        ),
        timeout=aiohttp.ClientTimeout(total=TOTAL_SECONDS, connect=CONNECT_SECONDS),
        trust_env=False,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"user-agent": USER_AGENT},
    )
