"""Opens sessions with the servers that the destinations' secrets describe."""

from cardops.adapters.file_delivery.ftps import FtpDelivery
from cardops.adapters.file_delivery.sftp import SftpDelivery, Timeouts
from cardops.ports import FileDelivery, SecretStore
from cardops.rules.deliveries.destinations import Destination, Protocol, read_destination

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
        found = self._read(destination)
        if found.protocol is Protocol.SFTP:
            return SftpDelivery.connect(found, self._timeouts)
        return FtpDelivery.connect(found, self._timeouts)

    def folder(self, destination: str) -> str:
        """The remote folder for its files."""
        return self._read(destination).folder

    def neutralises_formulas(self, destination: str) -> bool:
        """True unless its secret says `"neutralise_formulas": false`; also without a secret."""
        secret = self._secret(destination)
        return secret is None or secret.get("neutralise_formulas", True) is not False

    def _read(self, destination: str) -> Destination:
        return read_destination(destination, self._secret(destination))

    def _secret(self, destination: str) -> dict[str, object] | None:
        for name in (destination, FALLBACK):
            secret = self._secrets.get(f"destinations/{name}")
            if secret is not None:
                return dict(secret)
        return None
