"""The secret of a card company's server: what it must contain, and the message where it does not.

Belongs here: reading `destinations/<name>` secrets into values. No message shows a secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from cardops.rules.deliveries.records import PermanentDeliveryError

_DEFAULT_PORTS: Final = {"sftp": 22, "ftps": 21, "ftp": 21}


class Protocol(StrEnum):
    """The protocol of a server."""

    SFTP = "sftp"
    FTPS = "ftps"
    FTP = "ftp"


class DestinationSecretError(PermanentDeliveryError):
    """A destination's secret is missing or wrong; the message says what to add."""


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

    def path(self, name: str) -> str:
        """A file's remote path."""
        return f"{self.folder.rstrip('/')}/{name}" if self.folder else name


def read_destination(name: str, secret: Mapping[str, object] | None) -> Destination:
    """The destination, or DestinationSecretError with what to fix."""
    if secret is None:
        raise _wrong(name, "is missing", "store it with protocol, host, username and folder")
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
    return value


def _wrong(name: str, what: str, fix: str) -> DestinationSecretError:
    return DestinationSecretError(f"The secret destinations/{name} {what}: {fix}.")
