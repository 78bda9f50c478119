"""What asyncssh is told about a session: the pinned host key, the credentials, its algorithms.

Belongs here: a destination's settings as asyncssh's options. The session is in async_sftp.py.
"""

from typing import Final

import asyncssh

from cardops.adapters.file_delivery.timeouts import Timeouts
from cardops.rules.deliveries.destinations import Destination
from cardops.rules.deliveries.records import PermanentDeliveryError
from cardops.rules.deliveries.troubles import Trouble

_FIRST_CIPHERS: Final = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
_RSA_SIGNATURES: Final = ("rsa-sha2-512", "rsa-sha2-256")
_HOST_KEY_ALGORITHMS: Final = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    *_RSA_SIGNATURES,
)


def session_options(
    destination: Destination, timeouts: Timeouts
) -> asyncssh.SSHClientConnectionOptions:
    """Nothing of the machine's own keys, agent or configuration is used."""
    host_key = _host_key(destination)
    return asyncssh.SSHClientConnectionOptions(
        config=None,
        username=destination.username,
        password=destination.password,
        client_keys=_client_keys(destination),
        agent_path=None,
        gss_host=None,
        known_hosts=([host_key], [], []),
        server_host_key_algs=_algorithms_of(host_key),
        encryption_algs=_FIRST_CIPHERS,
        compression_algs=["none"],
        connect_timeout=timeouts.connect_seconds,
        login_timeout=timeouts.banner_seconds + timeouts.authentication_seconds,
        tcp_keepalive=True,
    )


def _algorithms_of(host_key: asyncssh.SSHKey) -> list[str]:
    """Those of the pinned key first, so that a server with several keys shows that one.

    The others stay: a server that has no such key then shows another one, which is refused by name.
    """
    algorithm = host_key.get_algorithm()
    pinned = _RSA_SIGNATURES if algorithm == "ssh-rsa" else (algorithm,)
    return [*pinned, *(other for other in _HOST_KEY_ALGORITHMS if other not in pinned)]


def _host_key(destination: Destination) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_public_key(destination.host_key or "")
    except (asyncssh.KeyImportError, ValueError):
        raise PermanentDeliveryError(
            f"The secret destinations/{destination.name} has a host_key that is not an OpenSSH "
            "public key line such as `ssh-ed25519 AAAA…`.",
            Trouble.SETTINGS,
        ) from None


def _client_keys(destination: Destination) -> list[asyncssh.SSHKey] | None:
    if destination.private_key is None:
        return None
    try:
        return [asyncssh.import_private_key(destination.private_key)]
    except (asyncssh.KeyImportError, ValueError):
        raise PermanentDeliveryError(
            f"The secret destinations/{destination.name} has a private_key that cannot be read; "
            "store it in OpenSSH's or PEM format without a passphrase.",
            Trouble.SETTINGS,
        ) from None
