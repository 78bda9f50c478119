"""Delivery over FTP with TLS, and over plain FTP where a secret asks for it explicitly."""

import ftplib
import hashlib
import posixpath
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Self

from typing_extensions import override

from cardops.adapters.file_delivery.sent_bytes import wait_until_taken
from cardops.adapters.file_delivery.timeouts import Timeouts
from cardops.ports import Readable
from cardops.rules.deliveries.destinations import Destination, Protocol
from cardops.rules.deliveries.records import (
    DeliveryError,
    PermanentDeliveryError,
    RemoteEntry,
    RemoteStat,
    TransientDeliveryError,
    too_large,
)
from cardops.rules.deliveries.troubles import Trouble

_BLOCK_BYTES: Final = 1 << 18
# RFC 959: servers reply 550 for a missing file and for a forbidden one.
_NO_FILE: Final = "550"
# What a server without TLS responds to AUTH TLS (RFC 4217, section 4).
_NO_TLS: Final = ("500", "502", "504", "534")
_REASON_SECONDS: Final = 1.0
_DISK_FULL: Final = ("452", "552")


class SessionReusingFtpTls(ftplib.FTP_TLS):
    """FTP with TLS whose data connections resume the control connection's session.

    vsftpd and others require it, to prove that both connections belong to the same client.
    """

    @override
    def ntransfercmd(
        self, cmd: str, rest: int | str | None = None
    ) -> tuple[socket.socket, int | None]:
        """Open a data connection, protected by the session of the control connection."""
        connection, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321 - wrapped below
        control: Any = self.sock  # Any: ftplib types the socket before TLS
        if not isinstance(control, ssl.SSLSocket):
            return connection, size
        try:
            protected = self.context.wrap_socket(
                connection, server_hostname=self.host, session=control.session
            )
        except BaseException:
            connection.close()
            raise
        return protected, size


class FtpDelivery:
    """One FTP session; a FileDelivery. The certificate must match the host."""

    def __init__(self, destination: Destination, client: ftplib.FTP) -> None:
        self._name = destination.name
        self._client = client

    @classmethod
    def connect(cls, destination: Destination, timeouts: Timeouts) -> Self:
        """A new client, authenticated, with protected data connections unless FTP is plain."""
        where = f"{destination.name} ({destination.host}:{destination.port})"
        client = _client(destination, timeouts)
        try:
            client.connect(destination.host, destination.port, timeout=timeouts.connect_seconds)
            client.login(destination.username, destination.password or "")
            if isinstance(client, ftplib.FTP_TLS):
                client.prot_p()
            if client.sock is not None:
                client.sock.settimeout(timeouts.channel_seconds)
            client.voidcmd("TYPE I")
        except ftplib.all_errors as error:
            client.close()
            raise _connect_error(where, error) from None
        client.timeout = timeouts.channel_seconds
        return cls(destination, client)

    def stat(self, path: str) -> RemoteStat | None:
        """The file, or None where there is none."""
        with self._errors_of(f"read the size of {path}"):
            try:
                size = self._client.size(path)
            except ftplib.error_perm as error:
                if str(error).startswith(_NO_FILE):
                    return None
                raise
        return RemoteStat(size or 0)

    def write(self, path: str, content: Readable) -> None:
        """Write the whole file, over any earlier one."""
        with self._errors_of(f"write {path}"):
            try:
                self._store(path, content)
            except (ConnectionError, ssl.SSLEOFError):
                self._raise_reason()
                raise

    def _store(self, path: str, content: Readable) -> None:
        """As ftplib's storbinary, but a slow line has as long as it takes something."""
        self._client.voidcmd("TYPE I")
        with self._client.transfercmd(f"STOR {path}") as connection:
            while block := content.read(_BLOCK_BYTES):
                connection.sendall(block)
            wait_until_taken(connection, self._client.timeout or 0)
            if isinstance(connection, ssl.SSLSocket):
                connection.unwrap()
        self._client.voidresp()

    def read_sha256(self, path: str) -> str | None:
        """Hash of what the server holds, or None where reading is forbidden."""
        digest = hashlib.sha256()
        with self._errors_of(f"read {path} back"):
            try:
                self._client.retrbinary(f"RETR {path}", digest.update, blocksize=_BLOCK_BYTES)
            except ftplib.error_perm as error:
                if str(error).startswith(_NO_FILE):
                    return None
                raise
        return digest.hexdigest()

    def rename(self, source: str, target: str) -> None:
        """Rename without overwriting."""
        if self.stat(target) is not None:
            raise PermanentDeliveryError(
                f"{self._name}: {target} already exists.", Trouble.FILE_EXISTS
            )
        with self._errors_of(f"rename {source} to {posixpath.basename(target)}"):
            self._client.rename(source, target)

    def remove(self, path: str) -> None:
        """Remove a temporary file; a missing one is no error."""
        with self._errors_of(f"remove {path}"):
            try:
                self._client.delete(path)
            except ftplib.error_perm as error:
                if not str(error).startswith(_NO_FILE):
                    raise

    def entries(self, folder: str) -> list[RemoteEntry]:
        """The files in a folder, by name. The server must know MLSD (RFC 3659)."""
        with self._errors_of(f"list {folder or 'its folder'}"):
            found = list(self._client.mlsd(folder, facts=["type", "size", "modify"]))
        return sorted(
            (
                RemoteEntry(name, f"{facts.get('size')}/{facts.get('modify')}")
                for name, facts in found
                if facts.get("type", "file") == "file"
            ),
            key=lambda entry: entry.name,
        )

    def read(self, path: str, max_bytes: int) -> bytes:
        """A whole small file. Raises PermanentDeliveryError where it is larger."""
        found = self.stat(path)
        if found is not None and found.size_bytes > max_bytes:
            raise too_large(self._name, path, max_bytes)
        content = bytearray()
        with self._errors_of(f"read {path}"):
            self._client.retrbinary(f"RETR {path}", content.extend, blocksize=_BLOCK_BYTES)
        return bytes(content)

    def close(self) -> None:
        """End the session; never raises."""
        if self._client.sock is not None:
            with suppress(*ftplib.all_errors):
                self._client.quit()
        self._client.close()

    def _raise_reason(self) -> None:
        """Raise why the server ended the data connection, where it says so on the other one."""
        if self._client.sock is None:
            return
        self._client.sock.settimeout(_REASON_SECONDS)
        with suppress(OSError, EOFError):
            self._client.voidresp()

    @contextmanager
    def _errors_of(self, action: str) -> Iterator[None]:
        """Turn ftplib's errors into transient or permanent DeliveryErrors, one sentence each."""
        try:
            yield
        except ftplib.error_perm as error:
            raise _refusal(f"{self._name}: could not {action}: {error}.", error) from None
        except TimeoutError:
            raise TransientDeliveryError(
                f"{self._name}: could not {action}: the server stopped answering.",
                Trouble.STALLED,
            ) from None
        except ftplib.all_errors as error:
            reason = str(error).rstrip(".") or "the connection ended"
            is_full = _is_full(error)
            raise TransientDeliveryError(
                f"{self._name}: could not {action}: {reason}.",
                Trouble.DISK_FULL if is_full else Trouble.INTERRUPTED,
            ) from None


def _client(destination: Destination, timeouts: Timeouts) -> ftplib.FTP:
    if destination.protocol is Protocol.FTP:
        # The secret asks for it explicitly.
        return ftplib.FTP(timeout=timeouts.connect_seconds, encoding="utf-8")  # noqa: S321
    # Without a context FTP_TLS accepts any certificate.
    context = ssl.create_default_context(cadata=destination.ca_certificate)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # TLS 1.3 issues its session late; servers that require reuse expect the kind of TLS 1.2.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return SessionReusingFtpTls(context=context, timeout=timeouts.connect_seconds, encoding="utf-8")


def _connect_error(where: str, error: Exception) -> DeliveryError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return PermanentDeliveryError(
            f"{where} presented a certificate that is not trusted ({error.verify_message}): "
            "nothing was sent.",
            Trouble.CERTIFICATE,
        )
    if isinstance(error, ftplib.error_perm) and str(error).startswith(_NO_TLS):
        return PermanentDeliveryError(
            f"{where} does not offer TLS ({error}): nothing was sent.", Trouble.CERTIFICATE
        )
    if isinstance(error, ftplib.error_perm):
        return PermanentDeliveryError(
            f"{where} rejected these credentials: {error}.", Trouble.CREDENTIALS
        )
    return TransientDeliveryError(f"{where} cannot be reached: {error}.", Trouble.UNREACHABLE)


def _refusal(sentence: str, error: ftplib.error_perm) -> DeliveryError:
    """FTP tells a missing folder from a forbidden one in its text alone, where at all."""
    if _is_full(error):
        return TransientDeliveryError(sentence, Trouble.DISK_FULL)
    is_missing = "no such" in str(error).lower() or "not found" in str(error).lower()
    trouble = Trouble.FOLDER_MISSING if is_missing else Trouble.PERMISSION_DENIED
    return PermanentDeliveryError(sentence, trouble)


def _is_full(error: Exception) -> bool:
    """Some servers end the transfer with 426 and say why in its text alone."""
    text = str(error).lower()
    return text.startswith(_DISK_FULL) or "no space" in text or "quota" in text
