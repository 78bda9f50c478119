"""The secret of a card company's server: what it must contain, and the message where it does not.

Belongs here: reading `destinations/<name>` secrets into values. No message shows a secret. Parts that
are not read here, such as a column map of its files, are left to those who need them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from enum import StrEnum
from typing import Final

from cardops.rules.deliveries.acknowledgements import RejectedRows
from cardops.rules.deliveries.records import PermanentDeliveryError
from cardops.rules.deliveries.troubles import Trouble

# Parts that are sent in the lines of a protocol.
_ONE_LINE: Final = frozenset(
    {"host", "username", "password", "folder", "outbound_folder", "acknowledged_folder"}
)
# What a person may call one; it is part of a secret's name and of a path.
NAME_PATTERN: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_TIME_OF_DAY: Final = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
# A month at most: a deadline is not much further away.
_MAX_HOURS: Final = 720
_DEFAULT_HOURS: Final = 24
_DEFAULT_PORTS: Final = {"sftp": 22, "ftps": 21, "ftp": 21}


class Protocol(StrEnum):
    """The protocol of a server."""

    SFTP = "sftp"
    FTPS = "ftps"
    FTP = "ftp"


class SftpClient(StrEnum):
    """The library that speaks SFTP; the second is for servers that the first cannot talk to."""

    ASYNCSSH = "asyncssh"
    PARAMIKO = "paramiko"


class DestinationSecretError(PermanentDeliveryError):
    """A destination's secret is missing or wrong; the message says what to add."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Trouble.SETTINGS)


@dataclass(frozen=True, slots=True)
class Destination:
    """One card company's server. Secrets do not appear in its representation."""

    name: str
    protocol: Protocol
    host: str
    port: int
    username: str
    folder: str
    password: str | None = field(default=None, repr=False)
    private_key: str | None = field(default=None, repr=False)
    host_key: str | None = None
    ca_certificate: str | None = field(default=None, repr=False)
    neutralises_formulas: bool = True
    sftp_client: SftpClient = SftpClient.ASYNCSSH
    # Until when on its business days a file counts for that day; None: it counts at any time.
    cut_off_at: time | None = None
    time_zone: str = "UTC"
    holidays: str | None = None
    openpgp_certificate: str | None = field(default=None, repr=False)
    # Our own key, with which its encrypted acknowledgements are read.
    openpgp_key: str | None = field(default=None, repr=False)
    # Where it puts acknowledgements, None: it writes none; and where those that were read are moved.
    outbound_folder: str | None = None
    acknowledged_folder: str | None = None
    acknowledge_within: timedelta = timedelta(hours=_DEFAULT_HOURS)
    rejected_rows: RejectedRows = RejectedRows.REOPEN

    @property
    def has_calendar(self) -> bool:
        """Whether it says on which of its business days a file counts."""
        return self.cut_off_at is not None or self.holidays is not None

    def path(self, name: str) -> str:
        """A file's remote path."""
        return f"{self.folder.rstrip('/')}/{name}" if self.folder else name


def read_destination(name: str, secret: Mapping[str, object] | None) -> Destination:
    """The destination, or DestinationSecretError with what to fix."""
    if secret is None:
        raise _wrong(name, "is missing", f"store it with `cardops destinations add {name}`")
    destination = Destination(
        name=name,
        protocol=_protocol(name, secret),
        host=_text(name, secret, "host"),
        port=_port(name, secret),
        username=_text(name, secret, "username"),
        folder=_optional(name, secret, "folder") or "",
        password=_optional(name, secret, "password"),
        private_key=_optional(name, secret, "private_key"),
        host_key=_optional(name, secret, "host_key"),
        ca_certificate=_optional(name, secret, "ca_certificate"),
        neutralises_formulas=secret.get("neutralise_formulas", True) is not False,
        sftp_client=_sftp_client(name, secret),
        cut_off_at=_cut_off(name, secret),
        time_zone=_optional(name, secret, "time_zone") or "UTC",
        holidays=_optional(name, secret, "holidays") or None,
        openpgp_certificate=_optional(name, secret, "openpgp_certificate") or None,
        openpgp_key=_optional(name, secret, "openpgp_key") or None,
        outbound_folder=_optional(name, secret, "outbound_folder") or None,
        acknowledged_folder=_optional(name, secret, "acknowledged_folder") or None,
        acknowledge_within=_within(name, secret),
        rejected_rows=_rejected_rows(name, secret),
    )
    return _with_credentials(destination)


def _protocol(name: str, secret: Mapping[str, object]) -> Protocol:
    named = secret.get("protocol")
    if named is None:
        raise _wrong(
            name,
            "does not say its protocol",
            'add "protocol": "sftp" with a "host_key", or "ftps"; only if the card company has '
            'nothing else, "protocol": "ftp", which sends the password and the file unencrypted',
        )
    if named not in list(Protocol):
        raise _wrong(name, "names an unknown protocol", 'use "sftp", "ftps" or "ftp"')
    return Protocol(str(named))


def _sftp_client(name: str, secret: Mapping[str, object]) -> SftpClient:
    named = secret.get("sftp_client", SftpClient.ASYNCSSH)
    if named not in list(SftpClient):
        raise _wrong(name, "names an unknown sftp_client", 'use "asyncssh" or "paramiko"')
    return SftpClient(str(named))


def _within(name: str, secret: Mapping[str, object]) -> timedelta:
    hours = str(secret.get("acknowledge_within_hours", _DEFAULT_HOURS))
    if not hours.isascii() or not hours.isdigit() or not 0 < int(hours) <= _MAX_HOURS:
        raise _wrong(
            name,
            "has an acknowledge_within_hours that is no number of hours",
            f"use a whole number from 1 to {_MAX_HOURS}",
        )
    return timedelta(hours=int(hours))


def _rejected_rows(name: str, secret: Mapping[str, object]) -> RejectedRows:
    named = secret.get("rejected_rows", RejectedRows.REOPEN)
    if named not in list(RejectedRows):
        raise _wrong(name, "says something unknown of rejected_rows", 'use "reopen" or "hold"')
    return RejectedRows(str(named))


def _cut_off(name: str, secret: Mapping[str, object]) -> time | None:
    given = _optional(name, secret, "cut_off")
    if not given:
        return None
    if not _TIME_OF_DAY.fullmatch(given):
        raise _wrong(name, "has a cut_off that is no time of day", 'write it as "17:00"')
    return time.fromisoformat(given)


def _with_credentials(destination: Destination) -> Destination:
    if destination.protocol is Protocol.SFTP and not destination.host_key:
        raise _wrong(
            destination.name,
            "has no host key",
            'add "host_key" with the server\'s OpenSSH public key line, as the card company '
            "publishes it; without it anybody could impersonate the server",
        )
    needs_password = destination.protocol is not Protocol.SFTP or not destination.private_key
    if needs_password and not destination.password:
        raise _wrong(destination.name, "has no credentials", 'add "password" or "private_key"')
    return destination


def _port(name: str, secret: Mapping[str, object]) -> int:
    given = secret.get("port")
    if given is None:
        return _DEFAULT_PORTS[str(secret["protocol"])]
    if not str(given).isascii() or not str(given).isdigit() or not 0 < int(str(given)) < 1 << 16:
        raise _wrong(name, "has an invalid port", "use a number from 1 to 65535")
    return int(str(given))


def _text(name: str, secret: Mapping[str, object], part: str) -> str:
    value = _optional(name, secret, part)
    if not value:
        raise _wrong(name, f"has no {part}", f'add "{part}"')
    return value


def _optional(name: str, secret: Mapping[str, object], part: str) -> str | None:
    value = secret.get(part)
    if value is not None and not isinstance(value, str):
        raise _wrong(name, f"has a {part} that is not text", f'write "{part}" in quotes')
    if value and part in _ONE_LINE and min(value) < " ":
        raise _wrong(name, f"has a {part} with a line break or tab in it", "write it in one line")
    return value


def _wrong(name: str, what: str, fix: str) -> DestinationSecretError:
    return DestinationSecretError(f"The secret destinations/{name} {what}: {fix}.")
