"""Opens sessions with the servers that the destinations' secrets describe."""

from cardops.adapters.file_delivery.timeouts import Timeouts
from cardops.ports import FileDelivery, SecretStore
from cardops.rules.deliveries.destinations import (
    Destination,
    Protocol,
    SftpClient,
    read_destination,
)

# A destination without a secret of its own uses this one, if it exists.
FALLBACK = "default"


class SecretDestinations:
    """Destinations described by the secrets `destinations/<network>`.

    A secret is read for each session, so a rotated password or host key applies to the next file.
    """

    def __init__(self, secrets: SecretStore, timeouts: Timeouts | None = None) -> None:
        self._secrets = secrets
        self._timeouts = timeouts or Timeouts()

    def connect(self, destination: str) -> FileDelivery:
        """A new session. Raises DeliveryError, a permanent one where it is not configured."""
        return open_session(self.settings(destination), self._timeouts)

    def settings(self, destination: str) -> Destination:
        """What its secret says. Raises DestinationSecretError where it is missing or wrong."""
        return read_destination(destination, self._secret(destination))

    def neutralises_formulas(self, destination: str) -> bool:
        """True unless its secret says `"neutralise_formulas": false`; also without a secret."""
        secret = self._secret(destination)
        return secret is None or secret.get("neutralise_formulas", True) is not False

    def _secret(self, destination: str) -> dict[str, object] | None:
        for name in (destination, FALLBACK):
            secret = self._secrets.get(f"destinations/{name}")
            if secret is not None:
                return dict(secret)
        return None


def open_session(destination: Destination, timeouts: Timeouts) -> FileDelivery:
    """A new session by the destination's protocol. Raises DeliveryError."""
    # Each library takes a third of a second to load, and a process seldom needs two of them.
    if destination.protocol is not Protocol.SFTP:
        from cardops.adapters.file_delivery.ftps import FtpDelivery  # noqa: PLC0415

        return FtpDelivery.connect(destination, timeouts)
    if destination.sftp_client is SftpClient.PARAMIKO:
        from cardops.adapters.file_delivery.sftp import SftpDelivery  # noqa: PLC0415

        return SftpDelivery.connect(destination, timeouts)
    from cardops.adapters.file_delivery.async_sftp import AsyncSftpDelivery  # noqa: PLC0415

    return AsyncSftpDelivery.connect(destination, timeouts)
