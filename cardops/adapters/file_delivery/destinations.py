"""Opens sessions with card companies' servers as their secrets say."""

from cardops.adapters.file_delivery.ftps import FtpDelivery
from cardops.adapters.file_delivery.sftp import SftpDelivery, Timeouts
from cardops.ports import FileDelivery, SecretStore
from cardops.rules.deliveries.destinations import Destination, Protocol, read_destination

# Whoever has no secret of its own is served by this one, if it is there.
FALLBACK = "default"


class SecretDestinations:
    """Destinations by the secrets `destinations/<network>`, read anew for each session.

    So a rotated password or host key counts from the next file on.
    """

    def __init__(self, secrets: SecretStore, timeouts: Timeouts | None = None) -> None:
        self._secrets = secrets
        self._timeouts = timeouts or Timeouts()

    def connect(self, destination: str) -> FileDelivery:
        """A new session. Raises as FileDelivery does; what is not configured is permanent."""
        found = self._read(destination)
        if found.protocol is Protocol.SFTP:
            return SftpDelivery.connect(found, self._timeouts)
        return FtpDelivery.connect(found, self._timeouts)

    def folder(self, destination: str) -> str:
        """The remote folder in which its files are placed."""
        return self._read(destination).folder

    def neutralises_formulas(self, destination: str) -> bool:
        """So unless its secret says `"neutralise_formulas": false`; also where it has none yet."""
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
