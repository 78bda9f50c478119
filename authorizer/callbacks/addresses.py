"""Which address a callback is connected to: every one that a name has is checked, and the last.

A resolver alone is bypassed by address literals, so the socket is refused once more by the
address that it is about to connect to.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeAlias

from aiohttp.abc import AbstractResolver, ResolveResult
from typing_extensions import override

from cardops.rules.callbacks.urls import is_loopback_address, is_public_address

# Threads of their own: names that answer slowly hold up neither each other nor other work.
MAX_LOOKUPS: Final = 32

Found: TypeAlias = list[tuple[Any, ...]]
# As socket.getaddrinfo; a test hands in its own answers.
LookUp: TypeAlias = Callable[[str, int, socket.AddressFamily], Found]


class AddressRefusedError(OSError):
    """A callback's host has an address that must not be called."""


def check_address(address: str, *, allow_loopback: bool) -> None:
    """Raises AddressRefusedError."""
    if is_public_address(address) or (allow_loopback and is_loopback_address(address)):
        return
    raise AddressRefusedError(errno.EACCES, "the callback's host has an address that is not public")


def look_up(host: str, port: int, family: socket.AddressFamily) -> Found:
    """Ask the system's resolver."""
    return list(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM))


class CheckedResolver(AbstractResolver):
    """Resolves, and refuses the host where any of its addresses is not allowed.

    Those that ask for one host at once share one look-up; nothing is kept after it.
    """

    def __init__(self, *, allow_loopback: bool, look_up: LookUp = look_up) -> None:
        self._allow_loopback = allow_loopback
        self._look_up = look_up
        self._threads = ThreadPoolExecutor(MAX_LOOKUPS, thread_name_prefix="callback-names")
        self._under_way: dict[tuple[str, int, int], asyncio.Future[Found]] = {}

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Every address of the host. Raises AddressRefusedError."""
        found = await self._shared(host, port, family)
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
        """Leaves look-ups under way behind; nobody waits for them."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _shared(self, host: str, port: int, family: socket.AddressFamily) -> Found:
        key = host, port, int(family)
        under_way = self._under_way.get(key)
        if under_way is None:
            loop = asyncio.get_running_loop()
            under_way = loop.run_in_executor(self._threads, self._look_up, host, port, family)
            self._under_way[key] = under_way
            under_way.add_done_callback(lambda ended: self._forget(key, ended))
        # Whoever gives up waiting does not end it for the others.
        return await asyncio.shield(under_way)

    def _forget(self, key: tuple[str, int, int], ended: "asyncio.Future[Found]") -> None:
        del self._under_way[key]
        if not ended.cancelled():
            ended.exception()  # seen, also where nobody waits any more


def checked_socket(*, allow_loopback: bool) -> Callable[[tuple[Any, ...]], socket.socket]:
    """Makes a socket for an address that is allowed. It raises AddressRefusedError."""

    def make(entry: tuple[Any, ...]) -> socket.socket:
        family, kind, proto, _, address = entry
        check_address(str(address[0]), allow_loopback=allow_loopback)
        made = socket.socket(family, kind, proto)
        made.setblocking(False)  # noqa: FBT003 - the standard library's signature
        return made

    return make
