"""Delivery over SFTP by asyncssh: a pinned host key, a timeout on every wait, each write confirmed.

Belongs here: the port's blocking calls, each of which runs one coroutine on the session's own event
loop. A write returns when the server has confirmed every block, so a full disk is never silent.
"""

import asyncio
import hashlib
import posixpath
import stat
import time
from collections import deque
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Never, Self, TypeVar

import asyncssh

from cardops.adapters.file_delivery.async_sftp_options import session_options
from cardops.adapters.file_delivery.entries import files_named
from cardops.adapters.file_delivery.timeouts import Timeouts
from cardops.ports import Readable
from cardops.rules.deliveries.destinations import Destination
from cardops.rules.deliveries.records import (
    DeliveryError,
    PermanentDeliveryError,
    RemoteEntry,
    RemoteStat,
    TransientDeliveryError,
    too_large,
)
from cardops.rules.deliveries.troubles import Trouble

Result = TypeVar("Result")

# What OpenSSH grants (limits@openssh.com).
_BLOCK_BYTES: Final = 255 * 1024
# What every server takes, whatever it says of its limits (draft-ietf-secsh-filexfer-02, section 3).
_SAFE_BLOCK_BYTES: Final = 32 * 1024
_BYTES_UNDER_WAY: Final = 4 * 1024 * 1024
# A block is to take no longer than this, so that a slow line is never taken for a stalled one.
_BLOCK_SECONDS: Final = 1.0
_FULL: Final = (asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded)
_LOST: Final = (
    asyncssh.DisconnectError,
    asyncssh.SFTPConnectionLost,
    asyncssh.SFTPNoConnection,
    asyncssh.ChannelOpenError,
    OSError,
)


class _Pace:
    """How large the next block may be: small at first, larger where the line proves fast."""

    def __init__(self, granted_bytes: int) -> None:
        self._largest = min(max(granted_bytes, _SAFE_BLOCK_BYTES), _BLOCK_BYTES)
        self._began = time.monotonic()
        self._confirmed_bytes = 0

    def confirm(self, size: int) -> None:
        """The server has taken, or sent, so many bytes more."""
        self._confirmed_bytes += size

    def block_bytes(self) -> int:
        """The size of the next block."""
        seconds = max(time.monotonic() - self._began, 0.001)
        fitting = int(self._confirmed_bytes / seconds * _BLOCK_SECONDS)
        return min(max(fitting, _SAFE_BLOCK_BYTES), self._largest)


class AsyncSftpDelivery:
    """One SFTP session; a FileDelivery. Not safe to share between threads."""

    def __init__(self, destination: Destination, timeouts: Timeouts) -> None:
        self._name = destination.name
        self._timeouts = timeouts
        self._loop = asyncio.new_event_loop()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._sftp: Any = None  # Any: asyncssh has no type for an absent client

    @classmethod
    def connect(cls, destination: Destination, timeouts: Timeouts) -> Self:
        """A new session whose server has shown the pinned host key."""
        session = cls(destination, timeouts)
        try:
            session._run(session._open(destination))
        except BaseException:
            session.close()
            raise
        return session

    def stat(self, path: str) -> RemoteStat | None:
        """The file, or None where there is none."""
        with self._errors_of(f"read the size of {path}"):
            try:
                found = self._within(self._sftp.stat(path))
            except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
                return None
        if stat.S_ISDIR(found.permissions or 0):
            raise PermanentDeliveryError(
                f"{self._name}: {path} is a folder, not a file.", Trouble.FOLDER_MISSING
            )
        return RemoteStat(found.size or 0)

    def write(self, path: str, content: Readable) -> None:
        """Write the whole file, over any earlier one; every block is confirmed by the server."""
        with self._errors_of(f"write {path}"):
            try:
                self._run(self._write(path, content))
            except asyncssh.SFTPFailure:
                # Servers report a full disk as a mere failure; some say how much room they have.
                reason = (
                    "is full" if self._has_no_room(path) else "or this user's quota may be full"
                )
                raise TransientDeliveryError(
                    f"{self._name}: could not write {path}: the server's disk {reason}.",
                    Trouble.DISK_FULL,
                ) from None

    def read_sha256(self, path: str) -> str | None:
        """Hash of what the server holds, or None where reading is forbidden."""
        with self._errors_of(f"read {path} back"):
            try:
                remote = self._within(self._sftp.open(path, "rb"))
            except asyncssh.SFTPPermissionDenied:
                return None
            return self._run(self._hash(remote))

    def rename(self, source: str, target: str) -> None:
        """Rename without overwriting: atomically where the server can, else as SFTP 3 defines it."""
        if self.stat(target) is not None:
            raise PermanentDeliveryError(
                f"{self._name}: {target} already exists.", Trouble.FILE_EXISTS
            )
        with self._errors_of(f"rename {source} to {posixpath.basename(target)}"):
            try:
                self._within(self._sftp.posix_rename(source, target))
            except asyncssh.SFTPOpUnsupported:
                self._within(self._sftp.rename(source, target))

    def remove(self, path: str) -> None:
        """Remove a temporary file; a missing one is no error."""
        with self._errors_of(f"remove {path}"), suppress(asyncssh.SFTPNoSuchFile):
            self._within(self._sftp.remove(path))

    def entries(self, folder: str) -> list[RemoteEntry]:
        """The files in a folder, by name."""
        with self._errors_of(f"list {folder or 'its folder'}"):
            found = self._within(self._sftp.readdir(folder or "."))
        return files_named(found)

    def read(self, path: str, max_bytes: int) -> bytes:
        """A whole small file. Raises PermanentDeliveryError where it is larger."""
        with self._errors_of(f"read {path}"):
            return self._run(self._read_small(path, max_bytes))

    async def _read_small(self, path: str, max_bytes: int) -> bytes:
        remote = await self._confirmed(self._sftp.open(path, "rb"))
        content = bytearray()
        try:
            while data := await self._confirmed(_read(remote, len(content), _SAFE_BLOCK_BYTES)):
                content += data
                if len(content) > max_bytes:
                    raise too_large(self._name, path, max_bytes)
        finally:
            await self._confirmed(remote.close())
        return bytes(content)

    def close(self) -> None:
        """End the session; never raises."""
        if self._loop.is_closed():
            return
        with suppress(Exception):
            self._run(self._end())
        self._loop.close()

    async def _open(self, destination: Destination) -> None:
        where = f"{destination.name} ({destination.host}:{destination.port})"
        options = session_options(destination, self._timeouts)
        try:
            self._connection = await asyncssh.connect(
                destination.host, destination.port, options=options
            )
            async with asyncio.timeout(self._timeouts.channel_seconds):
                self._sftp = await self._connection.start_sftp_client()
        except asyncssh.HostKeyNotVerifiable:
            _refuse_host_key(where)
        except asyncssh.KeyExchangeFailed as error:
            if "host key" in str(error).lower():
                _refuse_host_key(where)
            raise PermanentDeliveryError(
                f"{where} and Cardops have no way of encrypting in common: {error}",
                Trouble.SETTINGS,
            ) from None
        except asyncssh.PermissionDenied:
            raise PermanentDeliveryError(
                f"{where} rejected these credentials.", Trouble.CREDENTIALS
            ) from None
        except (asyncssh.Error, OSError) as error:
            reason = str(error) or "it did not respond in time"
            raise TransientDeliveryError(
                f"{where} cannot be reached: {reason.rstrip('.')}.", Trouble.UNREACHABLE
            ) from None

    async def _write(self, path: str, content: Readable) -> None:
        remote = await self._confirmed(self._sftp.open(path, "wb", block_size=0))
        pace = _Pace(self._sftp.limits.max_write_len)
        writes: set[asyncio.Task[int]] = set()
        sent = confirmed = 0
        try:
            while data := content.read(pace.block_bytes()):
                writes.add(asyncio.ensure_future(remote.write(data, sent)))
                sent += len(data)
                while sent - confirmed >= _BYTES_UNDER_WAY:
                    confirmed += await self._confirm_some(writes, pace)
            while writes:
                await self._confirm_some(writes, pace)
        finally:
            for task in writes:
                task.cancel()
            await asyncio.gather(*writes, return_exceptions=True)
        await self._confirmed(remote.close())

    async def _confirm_some(self, writes: "set[asyncio.Task[int]]", pace: _Pace) -> int:
        """Wait until the server has taken a block or more; their bytes. Raises where one failed."""
        done, _ = await asyncio.wait(
            writes, timeout=self._timeouts.channel_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            raise TimeoutError
        size = sum(task.result() for task in done)
        writes -= done
        pace.confirm(size)
        return size

    async def _hash(self, remote: Any) -> str:
        """Blocks are asked for ahead and hashed in their order."""
        digest, asked, hashed, is_ended = hashlib.sha256(), 0, 0, False
        pace = _Pace(self._sftp.limits.max_read_len)
        # Asked for to the end of the file and once beyond it, where it must end.
        total = (await self._confirmed(remote.stat())).size or 0
        reads: deque[tuple[int, asyncio.Task[bytes]]] = deque()
        try:
            while not is_ended:
                while asked <= total and asked - hashed < _BYTES_UNDER_WAY:
                    size = pace.block_bytes()
                    reads.append((size, asyncio.ensure_future(_read(remote, asked, size))))
                    asked += size
                size, read = reads[0]
                async with asyncio.timeout(self._timeouts.channel_seconds):
                    data = await read
                reads.popleft()
                digest.update(data)
                hashed += size
                pace.confirm(len(data))
                is_ended = len(data) < size or (not reads and asked > total)
        finally:
            for _, task in reads:
                task.cancel()
            await asyncio.gather(*(task for _, task in reads), return_exceptions=True)
        await self._confirmed(remote.close())
        return digest.hexdigest()

    async def _end(self) -> None:
        if self._sftp is not None:
            self._sftp.exit()
        if self._connection is not None:
            self._connection.abort()
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._connection.wait_closed()

    async def _confirmed(self, call: Coroutine[Any, Any, Result]) -> Result:
        async with asyncio.timeout(self._timeouts.channel_seconds):
            return await call

    def _within(self, call: Coroutine[Any, Any, Result]) -> Result:
        return self._run(self._confirmed(call))

    def _run(self, call: Coroutine[Any, Any, Result]) -> Result:
        return self._loop.run_until_complete(call)

    def _has_no_room(self, path: str) -> bool:
        with suppress(Exception):
            found = self._within(self._sftp.statvfs(posixpath.dirname(path) or "."))
            return bool(found.bavail == 0)
        return False

    @contextmanager
    def _errors_of(self, action: str) -> Iterator[None]:
        """Turn asyncssh's errors into transient or permanent DeliveryErrors, one sentence each."""
        what = f"{self._name}: could not {action}"
        try:
            yield
        except DeliveryError:
            raise
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            raise PermanentDeliveryError(
                f"{what}: the folder or file does not exist.", Trouble.FOLDER_MISSING
            ) from None
        except (asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect):
            raise PermanentDeliveryError(
                f"{what}: the server denied permission.", Trouble.PERMISSION_DENIED
            ) from None
        except _FULL:
            raise TransientDeliveryError(
                f"{what}: the server's disk or this user's quota is full.", Trouble.DISK_FULL
            ) from None
        except TimeoutError:
            raise TransientDeliveryError(
                f"{what}: the server stopped answering.", Trouble.STALLED
            ) from None
        except _LOST as error:
            reason = str(error).rstrip(".") or "the connection ended"
            raise TransientDeliveryError(f"{what}: {reason}.", Trouble.INTERRUPTED) from None
        except asyncssh.Error as error:
            raise TransientDeliveryError(f"{what}: {error.reason}.", Trouble.OTHER) from None


async def _read(remote: Any, offset: int, size: int) -> bytes:
    """A block, whole unless the file ends in it: a server may return less than was asked for."""
    parts, missing = [], size
    while missing:
        data = await remote.read(missing, offset + size - missing)
        if not data:
            break
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)


def _refuse_host_key(where: str) -> Never:
    raise PermanentDeliveryError(
        f"{where} presented a host key that is not the pinned one: nothing was sent.",
        Trouble.HOST_KEY,
    ) from None
