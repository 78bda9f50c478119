"""Delivery over SFTP by paramiko: a pinned host key, a timeout on every wait.

For servers that asyncssh cannot talk to; a destination's settings say so.
"""

import hashlib
import io
import posixpath
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, Never, Self

import paramiko
from paramiko.ssh_exception import (
    AuthenticationException,
    BadHostKeyException,
    IncompatiblePeer,
    SSHException,
)

from cardops.adapters.file_delivery.entries import files_of
from cardops.adapters.file_delivery.stall_guard import StallGuard
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

# One write request must fit one SSH packet of 32 KiB: a few bytes more make a second, tiny packet,
# which Nagle's algorithm delays.
_PACKET_PAYLOAD_BYTES: Final = 32_768 - 64
# Its header, with the longest handle that SFTP knows.
_WRITE_HEADER_BYTES: Final = 25 + 256
# Measured faster than paramiko's own first choices, and no weaker.
_FAST_CIPHERS: Final = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")

# paramiko raises the same exception for rejected credentials and for no response at all.
_NOT_ANSWERED: Final = ("Authentication timeout", "Authentication failed: transport shut down")


class SftpDelivery:
    """One SFTP session; a FileDelivery. Not safe to share between threads."""

    def __init__(self, destination: Destination, client: paramiko.SSHClient, timeouts: Timeouts):
        self._name = destination.name
        self._client = client
        self._timeout_seconds = timeouts.channel_seconds
        with self._errors_of("open a session"):
            self._sftp = client.open_sftp()
            channel = self._sftp.get_channel()
            if channel is None:
                raise SSHException("no channel")
            channel.settimeout(timeouts.channel_seconds)

    @classmethod
    def connect(cls, destination: Destination, timeouts: Timeouts) -> Self:
        """A new client whose server has shown the pinned host key."""
        client = paramiko.SSHClient()
        try:
            _open_client(client, destination, timeouts)
            return cls(destination, client, timeouts)
        except BaseException:
            client.close()
            raise

    def stat(self, path: str) -> RemoteStat | None:
        """The file, or None where there is none."""
        with self._errors_of(f"read the size of {path}"):
            try:
                found = self._sftp.stat(path)
            except FileNotFoundError:
                return None
        if stat.S_ISDIR(found.st_mode or 0):
            raise PermanentDeliveryError(
                f"{self._name}: {path} is a folder, not a file.", Trouble.FOLDER_MISSING
            )
        return RemoteStat(found.st_size or 0)

    def write(self, path: str, content: Readable) -> None:
        """Write the whole file. A full disk may go unnoticed, so check the size afterwards."""
        with self._errors_of(f"write {path}"), self._room_for(path), self._guarded() as guard:
            remote = self._sftp.open(path, "wb", bufsize=0)
            with remote:
                remote.set_pipelined(pipelined=True)
                size = _PACKET_PAYLOAD_BYTES - _WRITE_HEADER_BYTES
                while chunk := content.read(size):
                    remote.write(chunk)
                    guard.progress()

    def read_sha256(self, path: str) -> str | None:
        """Hash of what the server holds, or None where reading is forbidden."""
        digest = hashlib.sha256()
        with self._errors_of(f"read {path} back"), self._guarded() as guard:
            try:
                remote = self._sftp.open(path, "rb")
            except PermissionError:
                return None
            with remote:
                size = remote.stat().st_size
                if size:
                    remote.prefetch(size)
                while chunk := remote.read(1 << 18):
                    digest.update(chunk)
                    guard.progress()
        return digest.hexdigest()

    def rename(self, source: str, target: str) -> None:
        """Rename without overwriting: atomically where the server can, else as SFTP 3 defines it."""
        if self.stat(target) is not None:
            raise PermanentDeliveryError(
                f"{self._name}: {target} already exists.", Trouble.FILE_EXISTS
            )
        with self._errors_of(f"rename {source} to {posixpath.basename(target)}"):
            try:
                self._sftp.posix_rename(source, target)
            except PermissionError:
                raise
            except OSError as error:
                if "unsupported" not in str(error).lower():
                    raise
                self._sftp.rename(source, target)

    def remove(self, path: str) -> None:
        """Remove a temporary file; a missing one is no error."""
        with self._errors_of(f"remove {path}"):
            try:
                self._sftp.remove(path)
            except FileNotFoundError:
                return

    def entries(self, folder: str) -> list[RemoteEntry]:
        """The files in a folder, by name."""
        with self._errors_of(f"list {folder or 'its folder'}"):
            found = self._sftp.listdir_attr(folder or ".")
        return files_of(
            (entry.filename, entry.st_size, entry.st_mtime, entry.st_mode) for entry in found
        )

    def read(self, path: str, max_bytes: int) -> bytes:
        """A whole small file. Raises PermanentDeliveryError where it is larger."""
        content = bytearray()
        with (
            self._errors_of(f"read {path}"),
            self._guarded() as guard,
            self._sftp.open(path, "rb") as remote,
        ):
            while len(content) <= max_bytes and (chunk := remote.read(1 << 18)):
                content += chunk
                guard.progress()
        if len(content) > max_bytes:
            raise too_large(self._name, path, max_bytes)
        return bytes(content)

    def close(self) -> None:
        """End the session; never raises."""
        self._client.close()

    @contextmanager
    def _guarded(self) -> Iterator[StallGuard]:
        with StallGuard(self._client.close, self._timeout_seconds) as guard:
            yield guard

    @contextmanager
    def _room_for(self, path: str) -> Iterator[None]:
        """Servers report a full disk as a mere failure, without a number."""
        try:
            yield
        except OSError as error:
            if str(error) != "Failure":
                raise
            raise TransientDeliveryError(
                f"{self._name}: could not write {path}: the server's disk or this user's quota may "
                "be full.",
                Trouble.DISK_FULL,
            ) from None

    @contextmanager
    def _errors_of(self, action: str) -> Iterator[None]:
        """Turn paramiko's errors into transient or permanent DeliveryErrors, one sentence each."""
        try:
            yield
        except DeliveryError:
            raise
        except FileNotFoundError:
            _refuse(
                f"{self._name}: could not {action}: the folder or file does not exist.",
                Trouble.FOLDER_MISSING,
            )
        except PermissionError:
            _refuse(
                f"{self._name}: could not {action}: the server denied permission.",
                Trouble.PERMISSION_DENIED,
            )
        except TimeoutError:
            raise TransientDeliveryError(
                f"{self._name}: could not {action}: the server stopped answering.",
                Trouble.STALLED,
            ) from None
        except (EOFError, SSHException, OSError) as error:
            reason = str(error) or "the connection ended"
            raise TransientDeliveryError(
                f"{self._name}: could not {action}: {reason}.", Trouble.INTERRUPTED
            ) from None


def _open_client(client: paramiko.SSHClient, destination: Destination, timeouts: Timeouts) -> None:
    """Connect and authenticate; no host key but the pinned one is accepted."""
    where = f"{destination.name} ({destination.host}:{destination.port})"
    key_type, host_key = _host_key(destination)
    host_name = _known_hosts_name(destination)
    client.get_host_keys().add(host_name, key_type, host_key)
    try:
        client.connect(
            destination.host,
            destination.port,
            destination.username,
            password=destination.password,
            pkey=_private_key(destination),
            sock=_socket(destination, timeouts),
            timeout=timeouts.connect_seconds,
            banner_timeout=timeouts.banner_seconds,
            auth_timeout=timeouts.authentication_seconds,
            channel_timeout=timeouts.channel_seconds,
            allow_agent=False,
            look_for_keys=False,
            transport_factory=partial(_transport, host_key_type=key_type),
        )
    except (BadHostKeyException, IncompatiblePeer):
        _refuse(
            f"{where} presented a host key that is not the pinned one: nothing was sent.",
            Trouble.HOST_KEY,
        )
    except AuthenticationException as error:
        if str(error).startswith(_NOT_ANSWERED):
            raise TransientDeliveryError(
                f"{where} cannot be reached: {error}", Trouble.UNREACHABLE
            ) from None
        _refuse(f"{where} rejected these credentials.", Trouble.CREDENTIALS)
    except (EOFError, SSHException, OSError) as error:
        raise TransientDeliveryError(
            f"{where} cannot be reached: {error}.", Trouble.UNREACHABLE
        ) from None


def _known_hosts_name(destination: Destination) -> str:
    is_standard = destination.port == paramiko.config.SSH_PORT
    return destination.host if is_standard else f"[{destination.host}]:{destination.port}"


def _socket(destination: Destination, timeouts: Timeouts) -> socket.socket:
    address = (destination.host, destination.port)
    opened = socket.create_connection(address, timeouts.connect_seconds)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened


def _transport(
    sock: Any,  # Any: paramiko takes anything like a socket
    /,
    *,
    host_key_type: str,
    disabled_algorithms: Any = None,
    **_: object,
) -> paramiko.Transport:
    """A transport that accepts only host keys of the pinned type, and prefers fast ciphers."""
    transport = paramiko.Transport(sock, disabled_algorithms=disabled_algorithms)
    security = transport.get_security_options()
    fast = [cipher for cipher in _FAST_CIPHERS if cipher in security.ciphers]
    security.ciphers = (*fast, *(other for other in security.ciphers if other not in fast))
    security.key_types = tuple(kind for kind in security.key_types if _is_kind(kind, host_key_type))
    return transport


def _is_kind(algorithm: str, host_key_type: str) -> bool:
    """Whether a key of that type signs with this algorithm; RSA's have names of their own."""
    if host_key_type == "ssh-rsa":
        return algorithm in {"rsa-sha2-512", "rsa-sha2-256"}
    return algorithm == host_key_type


def _host_key(destination: Destination) -> tuple[str, paramiko.PKey]:
    parsed = paramiko.hostkeys.HostKeyEntry.from_line(f"pinned {destination.host_key}")
    if parsed is None or parsed.key is None:
        _refuse(
            f"The secret destinations/{destination.name} has a host_key that is not an OpenSSH public "
            "key line such as `ssh-ed25519 AAAA…`.",
            Trouble.SETTINGS,
        )
    return parsed.key.get_name(), parsed.key


def _private_key(destination: Destination) -> paramiko.PKey | None:
    if destination.private_key is None:
        return None
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(io.StringIO(destination.private_key))
        except (SSHException, ValueError):
            continue
    raise PermanentDeliveryError(
        f"The secret destinations/{destination.name} has a private_key that cannot be read; "
        "store it in OpenSSH's or PEM format without a passphrase.",
        Trouble.SETTINGS,
    )


def _refuse(sentence: str, trouble: Trouble) -> Never:
    raise PermanentDeliveryError(sentence, trouble) from None
