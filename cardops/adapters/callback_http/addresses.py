"""Which addresses a callback may connect to: every address of a name is checked, then the socket's.

aiohttp does not ask the resolver about address literals, so the address is checked once more when
the socket is made.
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

# Threads of their own: slow name servers delay neither each other nor other work.
MAX_LOOKUPS: Final = 32

AddressEntries: TypeAlias = list[tuple[Any, ...]]
# The signature of socket.getaddrinfo; a test passes its own.
LookUp: TypeAlias = Callable[[str, int, socket.AddressFamily], AddressEntries]


class AddressRefusedError(OSError):
    """A callback's host has an address that must not be called."""


def check_address(address: str, *, allow_loopback: bool) -> None:
    """Raises AddressRefusedError."""
    if is_public_address(address) or (allow_loopback and is_loopback_address(address)):
        return
    raise AddressRefusedError(errno.EACCES, "the callback's host has an address that is not public")


def look_up(host: str, port: int, family: socket.AddressFamily) -> AddressEntries:
    """Ask the system's resolver."""
    return list(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM))


class CheckedResolver(AbstractResolver):
    """Resolves a host, and refuses it when any of its addresses is not allowed.

    Concurrent callers for one host share a lookup; results are not cached.
    """

    def __init__(self, *, allow_loopback: bool, look_up: LookUp = look_up) -> None:
        self._allow_loopback = allow_loopback
        self._look_up = look_up
        self._threads = ThreadPoolExecutor(MAX_LOOKUPS, thread_name_prefix="callback-names")
        self._pending: dict[tuple[str, int, int], asyncio.Future[AddressEntries]] = {}

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Every address of the host. Raises AddressRefusedError."""
        entries = await self._shared_lookup(host, port, family)
        for entry in entries:
            check_address(str(entry[4][0]), allow_loopback=self._allow_loopback)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=address_family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for address_family, _, protocol, _, address in entries
        ]

    @override
    async def close(self) -> None:
        """Does not wait for pending lookups."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _shared_lookup(
        self, host: str, port: int, family: socket.AddressFamily
    ) -> AddressEntries:
        key = host, port, int(family)
        lookup = self._pending.get(key)
        if lookup is None:
            loop = asyncio.get_running_loop()
            lookup = loop.run_in_executor(self._threads, self._look_up, host, port, family)
            self._pending[key] = lookup
            lookup.add_done_callback(lambda ended: self._forget(key, ended))
        # A caller that is cancelled must not cancel the lookup that others wait for.
        return await asyncio.shield(lookup)

    def _forget(self, key: tuple[str, int, int], ended: "asyncio.Future[AddressEntries]") -> None:
        del self._pending[key]
        if not ended.cancelled():
            ended.exception()  # retrieved, else asyncio logs it when nobody waits any more


def checked_socket(*, allow_loopback: bool) -> Callable[[tuple[Any, ...]], socket.socket]:
    """A factory of sockets for allowed addresses; it raises AddressRefusedError for others."""

    def make(entry: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = entry
        check_address(str(address[0]), allow_loopback=allow_loopback)
        opened = socket.socket(family, kind, protocol)
        opened.setblocking(False)  # noqa: FBT003 - the standard library's signature
        return opened

    return make
