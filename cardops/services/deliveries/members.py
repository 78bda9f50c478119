"""The files of a delivery, ready to be sent: the CSV, its control file and, where it has one, its evidence.

Belongs here: names, hashes and sizes as they are sent, checked against the ledger; encryption where
the destination wants OpenPGP. Encrypted bytes differ each time they are made, so they are kept in the
processed store and their hashes in the ledger before anything is sent: a rerun sends the same bytes.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cardops.ports import ObjectStore
from cardops.rules.deliveries.destinations import Destination
from cardops.rules.deliveries.recipe import PART_SUFFIX
from cardops.rules.deliveries.records import (
    ENCRYPTED_SUFFIX,
    ChargebackFileRecord,
    DeliveryState,
    PermanentDeliveryError,
)
from cardops.rules.deliveries.troubles import Trouble
from cardops.rules.intake.objects import ObjectMissingError
from cardops.services.openpgp import (
    OpenPgpRefusedError,
    encrypt_file_for,
    encryption_problem,
    fingerprint_of,
)

_BLOCK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """One file as it is sent: its key in the processed store, its remote path, its hash and size."""

    key: str
    path: str
    sha256: str
    size_bytes: int

    @property
    def part(self) -> str:
        """Its remote path while it is written."""
        return self.path + PART_SUFFIX


def processed_key(batch_id: str, file_name: str) -> str:
    """The key of a chargeback file in the processed store."""
    return f"chargebacks/{batch_id}/{file_name}"


@dataclass(frozen=True, slots=True)
class Members:
    """The files of one delivery; `evidence` is None where it has none."""

    csv: Member
    control: Member
    evidence: Member | None = None


def members_of(
    record: ChargebackFileRecord, destination: Destination, store: ObjectStore
) -> Members:
    """The files that are sent. Raises PermanentDeliveryError where stored bytes have changed."""
    return Members(
        *(
            _member(store, processed_key(record.batch_id, name), destination.path(name), sha256)
            for name, sha256 in zip(record.sent_names, record.sent_hashes, strict=True)
        )
    )


def prepared(
    record: ChargebackFileRecord, destination: Destination, store: ObjectStore, now: datetime
) -> ChargebackFileRecord:
    """The record with the hashes of what the destination's present settings send; not yet recorded.

    Once a file may have got its final name, nothing changes any more. Raises PermanentDeliveryError
    where the certificate cannot be encrypted for, before anything is sent.
    """
    if record.state is DeliveryState.SENDING:
        return record
    if destination.openpgp_certificate is None:
        return replace(
            record,
            encrypted_for=None,
            encrypted_sha256=None,
            encrypted_control_sha256=None,
            encrypted_evidence_sha256=None,
        )
    certificate = destination.openpgp_certificate.encode()
    try:
        fingerprint = fingerprint_of(certificate)
    except OpenPgpRefusedError as error:
        raise PermanentDeliveryError(f"{destination.name}: {error}", Trouble.ENCRYPTION) from None
    _check_usable(destination.name, certificate, now)  # guard: usable-certificate
    if record.encrypted_for == fingerprint and _is_stored(record, store):
        return record
    csv, control, *evidence = (
        _encrypted(store, processed_key(record.batch_id, name), sha256, certificate)
        for name, sha256 in zip(record.names, record.hashes, strict=True)
    )
    return replace(
        record,
        encrypted_for=fingerprint,
        encrypted_sha256=csv,
        encrypted_control_sha256=control,
        encrypted_evidence_sha256=next(iter(evidence), None),
    )


def _check_usable(name: str, certificate: bytes, now: datetime) -> None:
    problem = encryption_problem(certificate, now)
    if problem is not None:
        raise PermanentDeliveryError(
            f"{name}: its OpenPGP certificate cannot be used: {problem}. Nothing was sent.",
            Trouble.ENCRYPTION,
        )


def _is_stored(record: ChargebackFileRecord, store: ObjectStore) -> bool:
    """Whether the encrypted bytes on record are still there; while nothing was sent, others do too."""
    keys = (processed_key(record.batch_id, name) for name in record.sent_names)
    found = [_hashed(store, key)[0] for key in keys]
    return found == list(record.sent_hashes)


def _encrypted(store: ObjectStore, key: str, sha256: str, certificate: bytes) -> str:
    """Encrypt a stored file and store the result beside it; the hash of the encrypted bytes."""
    with TemporaryDirectory() as folder:
        plain, encrypted = Path(folder) / "plain", Path(folder) / "encrypted"
        digest = hashlib.sha256()
        with suppress(ObjectMissingError), store.open(key) as content, plain.open("wb") as copy:
            while block := content.read(_BLOCK_BYTES):
                digest.update(block)
                copy.write(block)
        if digest.hexdigest() != sha256:
            raise _changed(store, key)
        encrypt_file_for(certificate, plain, encrypted)
        store.replace(f"{key}{ENCRYPTED_SUFFIX}", encrypted)
        with encrypted.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()


def _member(store: ObjectStore, key: str, path: str, sha256: str) -> Member:
    found, size = _hashed(store, key)
    if found != sha256:
        raise _changed(store, key)
    return Member(key, path, sha256, size)


def _hashed(store: ObjectStore, key: str) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with suppress(ObjectMissingError), store.open(key) as content:
        while block := content.read(_BLOCK_BYTES):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def _changed(store: ObjectStore, key: str) -> PermanentDeliveryError:
    return PermanentDeliveryError(
        f"{store.uri(key)} is missing or is not the file that was made: its hash differs. Nothing "
        "was sent.",
        Trouble.CHANGED_HERE,
    )
