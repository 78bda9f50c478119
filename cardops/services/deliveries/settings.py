"""The settings of destinations: checked as a whole, stored, and shown without a secret.

Belongs here: `destinations/<name>` secrets and what is wrong with them that can be seen without a
connection. Whether the server accepts them is found out in cardops.services.deliveries.probing.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import available_timezones

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_ssh_private_key,
    load_ssh_public_key,
)

from cardops.ports import Breakers, Clock, DeliveryLedger, Destinations, SecretStore
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.deliveries.breakers import Breaker
from cardops.rules.deliveries.destinations import (
    NAME_PATTERN,
    Destination,
    DestinationSecretError,
    Protocol,
    read_destination,
)
from cardops.rules.deliveries.records import (
    UNDELIVERED,
    DeliveryState,
    PermanentDeliveryError,
)
from cardops.rules.errors import ExplainedError
from cardops.services.intake.holiday_dates import UnknownHolidaysError, holiday_dates
from cardops.services.openpgp import (
    OpenPgpRefusedError,
    certificate_of,
    encryption_problem,
    fingerprint_of,
    fingerprint_of_key,
)
from cardops.services.openpgp_messages import decryption_problem

PREFIX: Final = "destinations/"
# Used by every destination that has no settings of its own.
FALLBACK: Final = "default"
# A mark of the settings that `cardops up` writes for its own server; an operator's have none.
SIMULATED: Final = "simulated"
_WAITING: Final = sorted(
    state.value
    for state in {*UNDELIVERED, DeliveryState.FAILED, DeliveryState.DELIVERED_UNCONFIRMED}
)


class DestinationRefusedError(ExplainedError):
    """A destination cannot have these settings; one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class ListedDestination:
    """One destination: its settings, or what is wrong with them; its breaker and waiting files."""

    name: str
    settings: Destination | None
    problem: str | None
    breaker: Breaker
    undelivered_count: int
    is_simulated: bool = False


@dataclass(frozen=True, slots=True)
class DestinationService:
    """Adds, changes and lists destinations."""

    secrets: SecretStore
    ledger: DeliveryLedger
    breakers: Breakers
    clock: Clock

    def add(self, name: str, parts: Mapping[str, object], *, is_change: bool) -> Destination:
        """Store the settings. A change keeps the parts that are not named; an empty part is removed.

        Raises DestinationRefusedError; nothing is stored then.
        """
        if not NAME_PATTERN.fullmatch(name):
            raise DestinationRefusedError(
                f"{name!r} cannot name a destination: use 1 to 40 lower-case letters, digits and "
                "hyphens, such as visa or acquirer-1."
            )
        known = self.secrets.get(PREFIX + name)
        is_own = known is not None and not known.get(SIMULATED)
        if is_own and not is_change:
            raise DestinationRefusedError(
                f"{name} has settings already, and nothing was changed; --replace changes the parts "
                "that you name and keeps the others."
            )
        if is_change and known is None:
            raise DestinationRefusedError(
                f"{name} has no settings that could be changed; add it without --replace."
            )
        secret = {**(known or {}), **parts} if is_change else dict(parts)
        secret.pop(SIMULATED, None)
        secret = _normalised(
            {part: value for part, value in secret.items() if value is not None and value != ""}
        )
        try:
            destination = read_destination(name, secret)
        except DestinationSecretError as error:
            raise DestinationRefusedError(str(error)) from None
        problem = settings_problem(destination, self.clock.now())
        if problem is not None:
            raise DestinationRefusedError(f"{problem} Nothing was stored.")
        self.secrets.put(PREFIX + name, secret)
        if not self.breakers.find(name).is_closed:
            now = self.clock.now()
            self.breakers.change(name, lambda breaker: breaker.with_new_settings(now))
        return destination

    def all(self) -> list[ListedDestination]:
        """Every destination with settings, and the card companies that have none."""
        stored = {name.removeprefix(PREFIX) for name in self.secrets.names(PREFIX)}
        breakers = self.breakers.all()
        waiting: dict[str, int] = {}
        for record in self.ledger.all(_WAITING):
            waiting[record.destination] = waiting.get(record.destination, 0) + 1
        names = _in_order({*stored, *breakers, *waiting, *NETWORKS})
        return [
            self._listed(name, breakers.get(name, Breaker()), waiting.get(name, 0))
            for name in names
        ]

    def _listed(self, name: str, breaker: Breaker, undelivered: int) -> ListedDestination:
        secret = self.secrets.get(PREFIX + name) or self.secrets.get(PREFIX + FALLBACK)
        try:
            settings = read_destination(name, secret)
        except DestinationSecretError as error:
            return ListedDestination(name, None, str(error), breaker, undelivered)
        problem = settings_problem(settings, self.clock.now())
        is_simulated = bool(secret and secret.get(SIMULATED))
        return ListedDestination(name, settings, problem, breaker, undelivered, is_simulated)


def outbound_folders(ledger: DeliveryLedger, destinations: Destinations) -> list[list[str]]:
    """The destinations that chargeback files were made for, one list for each outbound folder."""
    shared: dict[tuple[str, int, str, str], list[str]] = {}
    for name in sorted({record.destination for record in ledger.all()}):
        try:
            found = destinations.settings(name)
        except PermanentDeliveryError:
            # Its deliveries report that.
            continue
        if found.outbound_folder is not None:
            place = (found.host, found.port, found.username, found.outbound_folder)
            shared.setdefault(place, []).append(name)
    return list(shared.values())


def settings_problem(destination: Destination, now: datetime) -> str | None:
    """What is wrong with settings that can be read, without asking the server; one sentence."""
    checks = (_host_key_problem, _private_key_problem, _ca_problem, _calendar_problem)
    for check in checks:
        problem = check(destination, now)
        if problem is not None:
            return problem
    return _openpgp_problem(destination, now) or _own_key_problem(destination)


def host_key_fingerprint(line: str) -> str:
    """The fingerprint as ssh-keygen shows it. Raises ValueError."""
    kind, text = _key_words(line)[:2]
    load_ssh_public_key(f"{kind} {text}".encode())
    digest = hashlib.sha256(base64.b64decode(text)).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def openpgp_fingerprint(destination: Destination) -> str | None:
    """The certificate's fingerprint; None where there is none that can be read."""
    if destination.openpgp_certificate is None:
        return None
    try:
        return fingerprint_of(destination.openpgp_certificate.encode())
    except OpenPgpRefusedError:
        return None


def own_key_fingerprint(destination: Destination) -> str | None:
    """The fingerprint of our own key; None where there is none that can be read."""
    if destination.openpgp_key is None:
        return None
    try:
        return fingerprint_of_key(destination.openpgp_key.encode())
    except OpenPgpRefusedError:
        return None


def _in_order(names: Iterable[str]) -> list[str]:
    """The card companies first, as everywhere; then the others by name."""
    return sorted(names, key=lambda name: (name not in NETWORKS, name))


def _normalised(secret: dict[str, object]) -> dict[str, object]:
    """The host key without the host that ssh-keyscan and known_hosts put before it."""
    line = secret.get("host_key")
    if isinstance(line, str) and line.strip():
        secret["host_key"] = " ".join(_key_words(line)[:2])
    return secret


def _key_words(line: str) -> list[str]:
    words = next((row for row in line.splitlines() if row.strip() and row[0] != "#"), "").split()
    starts = ("ssh-", "ecdsa-", "sk-")
    is_known_host = len(words) > 2 and not words[0].startswith(starts)  # noqa: PLR2004 - host, type, key
    return [*(words[1:] if is_known_host else words), "", ""]


def _host_key_problem(destination: Destination, _: datetime) -> str | None:
    if destination.protocol is not Protocol.SFTP:
        return None
    try:
        host_key_fingerprint(destination.host_key or "")
    except ValueError:
        return (
            f"{destination.name}: its host key is not an OpenSSH public key line such as `ssh-ed25519 "
            "AAAA…`; ask the card company for it, or compare what `ssh-keyscan` shows with what it "
            "publishes."
        )
    return None


def _private_key_problem(destination: Destination, _: datetime) -> str | None:
    if destination.private_key is None:
        return None
    key = destination.private_key.encode()
    for load in (load_ssh_private_key, load_pem_private_key):
        try:
            load(key, None)
        except (ValueError, TypeError):
            continue
        return None
    return (
        f"{destination.name}: its private key cannot be read; give it in OpenSSH's or PEM format "
        "without a passphrase."
    )


def _ca_problem(destination: Destination, _: datetime) -> str | None:
    if destination.ca_certificate is None:
        return None
    try:
        x509.load_pem_x509_certificates(destination.ca_certificate.encode())
    except ValueError:
        return f"{destination.name}: its CA certificate is not in PEM format; give it as such."
    return None


def _calendar_problem(destination: Destination, now: datetime) -> str | None:
    if destination.time_zone not in available_timezones():
        return (
            f"{destination.name}: there is no time zone {destination.time_zone!r}; name one as "
            "America/New_York or UTC."
        )
    try:
        holiday_dates(destination.holidays, (now.year,))
    except UnknownHolidaysError as error:
        return str(error)
    return None


def _openpgp_problem(destination: Destination, now: datetime) -> str | None:
    if destination.openpgp_certificate is None:
        return None
    content = destination.openpgp_certificate.encode()
    try:
        problem = encryption_problem(certificate_of(content), now)
    except OpenPgpRefusedError as error:
        return str(error)
    if problem is None:
        return None
    return (
        f"{destination.name}: no file can be encrypted for its OpenPGP certificate: {problem}; ask "
        "the card company for its current one."
    )


def _own_key_problem(destination: Destination) -> str | None:
    if destination.openpgp_key is None:
        return None
    problem = decryption_problem(destination.openpgp_key.encode())
    if problem is None:
        return None
    return (
        f"{destination.name}: no acknowledgement can be read with this OpenPGP key: {problem}; export "
        "the secret key (`gpg --export-secret-keys`) without a passphrase."
    )
