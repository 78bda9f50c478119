"""OpenPGP certificates, detached signatures and encrypted files, by Sequoia's own policy of algorithms.

Belongs here: keys as they are handed in, signatures, encryption, and why one is not valid. Who accepts which key
is decided by its users. Messages that others send us are read by cardops.services.openpgp_messages.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from pysequoia import (
    Cert,
    Sig,
    SignatureMode,
    Tsk,
    encrypt,
    encrypt_file,
    sign,
    verify,
)
from pysequoia.packet import Packet, PacketPile, SignatureType, Tag

from cardops.rules.errors import ExplainedError

MAX_CERTIFICATE_BYTES: Final = 64 * 1024
_ARMORED: Final = b"-----BEGIN PGP "
_BINARY: Final = 0x80  # the first bit of every packet
# Tuples, because Sequoia's values cannot be hashed.
_SECRET: Final = (Tag.SecretKey, Tag.SecretSubkey)
KEYS: Final = (Tag.PublicKey, Tag.PublicSubkey, *_SECRET)
_OF_DOCUMENTS: Final = (SignatureType.Binary, SignatureType.Text)
Parsed = TypeVar("Parsed")


class OpenPgpRefusedError(ExplainedError):
    """A certificate, key or signature cannot be used; one sentence."""


def is_openpgp(content: bytes) -> bool:
    """Whether these bytes are OpenPGP's, armored or not."""
    return content.lstrip().startswith(_ARMORED) or (bool(content) and content[0] >= _BINARY)


def certificate_of(content: bytes) -> bytes:
    """A certificate to be stored, in binary. Raises OpenPgpRefusedError."""
    if len(content) > MAX_CERTIFICATE_BYTES:
        raise OpenPgpRefusedError(
            f"This OpenPGP certificate has more than {MAX_CERTIFICATE_BYTES} bytes, which is more "
            "than is stored; export it without the certifications of others (`gpg --export-options "
            "export-minimal --armor --export NAME`)."
        )
    if any(packet.tag in _SECRET for packet in parsed(PacketPile.from_bytes, content)):
        raise OpenPgpRefusedError(
            "This is a secret OpenPGP key, which its owner alone should have; ask for the "
            "certificate (`gpg --armor --export NAME`), and for a new key if this one was sent."
        )
    return bytes(parsed(Cert.from_bytes, content))


def armored_certificate(content: bytes) -> str:
    """A certificate as text, for where bytes cannot be stored. Raises OpenPgpRefusedError."""
    return str(parsed(Cert.from_bytes, certificate_of(content)))


def fingerprint_of(certificate: bytes) -> str:
    """The primary key's fingerprint, upper-case hexadecimal, as gpg shows it."""
    return parsed(Cert.from_bytes, certificate).fingerprint.upper()


def certificate_problem(certificate: bytes, at: datetime) -> str | None:
    """Why the certificate is not valid at an instant; None where it is."""
    found = parsed(Cert.from_bytes, certificate)
    if found.is_revoked:  # guard: revoked-certificate
        return "its owner revoked the certificate"
    if found.expiration is not None and found.expiration <= at:  # guard: expired-certificate
        return f"the certificate expired on {found.expiration:%Y-%m-%d %H:%M} UTC"
    return None


def names_key_of(certificate: bytes, signature: bytes) -> bool:
    """Whether the signature says that a key of this certificate made it."""
    try:
        found = parsed(Sig.from_bytes, signature)
    except OpenPgpRefusedError:
        return False
    keys = [key for key in PacketPile.from_bytes(certificate) if key.tag in KEYS]
    return any(
        key.fingerprint == found.issuer_fingerprint or key.key_id == found.issuer_key_id
        for key in keys
    )


def signature_problem(
    certificate: bytes, message: bytes, signature: bytes, at: datetime
) -> str | None:
    """Why this is no valid detached signature of the message at an instant; None where it is.

    A signature says itself when it was made, so one by a key that expired since counts no more.
    """
    problem = certificate_problem(certificate, at)
    if problem is not None:
        return problem
    try:
        detached = parsed(Sig.from_bytes, signature)
    except OpenPgpRefusedError as error:
        return str(error)
    if detached.signature_type not in _OF_DOCUMENTS:
        return "the signature is not one of a document"
    cert = Cert.from_bytes(certificate)
    try:
        verified = verify(bytes=message, store=lambda _ids: [cert], signature=detached)
    except RuntimeError:
        return (
            "the signature is not a valid one over these figures by a key of this certificate that "
            "may sign, with algorithms that are considered safe today"
        )
    signing_key = verified.valid_sigs[0].signing_key
    ended = _end_of_subkey(list(PacketPile.from_bytes(certificate)), signing_key)
    if ended is not None and ended <= at:  # guard: expired-subkey
        return f"the subkey that signed expired on {ended:%Y-%m-%d %H:%M} UTC"
    return None


def encryption_problem(certificate: bytes, at: datetime) -> str | None:
    """Why no file can be encrypted for the certificate at an instant; None where it can."""
    problem = certificate_problem(certificate, at)
    if problem is not None:
        return problem
    try:
        encrypt(b"", recipients=[Cert.from_bytes(certificate)])
    except RuntimeError:
        return (
            "it has no key that may encrypt, has not expired and uses algorithms that are "
            "considered safe today"
        )
    return None


def encrypt_file_for(certificate: bytes, source: Path, target: Path) -> None:
    """Encrypt a file for the certificate's owner, in binary. Raises OpenPgpRefusedError."""
    cert = parsed(Cert.from_bytes, certificate)
    try:
        encrypt_file(str(source), str(target), recipients=[cert], armor=False)
    except RuntimeError as error:
        raise OpenPgpRefusedError(
            f"The file cannot be encrypted ({first_line(error)}); ask for a certificate with a key "
            "that may encrypt."
        ) from None


def armored_key(content: bytes) -> str:
    """A secret key as text, for where bytes cannot be stored. Raises OpenPgpRefusedError."""
    return str(parsed(Tsk.from_bytes, content))


def fingerprint_of_key(secret_key: bytes) -> str:
    """The fingerprint of a secret key, as gpg shows it. Raises OpenPgpRefusedError."""
    return parsed(Tsk.from_bytes, secret_key).extract_certificate().fingerprint.upper()


def signed_with(secret_key: bytes, message: bytes) -> bytes:
    """The armored detached signature by a secret key without a passphrase.

    Raises OpenPgpRefusedError.
    """
    key = parsed(Tsk.from_bytes, secret_key)
    try:
        return bytes(sign(key.signer(), message, mode=SignatureMode.DETACHED))
    except RuntimeError as error:
        raise OpenPgpRefusedError(
            f"This OpenPGP key cannot sign ({first_line(error)}); give a secret key that may sign, "
            "has not expired and has no passphrase."
        ) from None


def _end_of_subkey(packets: Sequence[Packet], fingerprint: str) -> datetime | None:
    """When the subkey expires, by its latest binding; None for never, and for the primary key."""
    created: datetime | None = None
    bound_at: datetime | None = None
    ended: datetime | None = None
    for packet in packets:
        if packet.tag in KEYS:
            is_meant = packet.tag != Tag.PublicKey and packet.fingerprint == fingerprint
            created = packet.key_created if is_meant else None
        elif created is not None and packet.signature_type == SignatureType.SubkeyBinding:
            made_at = packet.signature_created
            if made_at is not None and (bound_at is None or made_at >= bound_at):
                period = packet.key_validity_period
                bound_at, ended = made_at, None if period is None else created + period
    return ended


def parsed(parse: Callable[[bytes], Parsed], content: bytes) -> Parsed:
    """What the bytes are. Raises OpenPgpRefusedError."""
    try:
        return parse(content)
    except (RuntimeError, ValueError) as error:
        raise OpenPgpRefusedError(
            f"This is not what OpenPGP expects here ({first_line(error)}); export it again, as "
            "`gpg --armor` writes it."
        ) from None


def first_line(error: Exception) -> str:
    """What Sequoia says, without where in its code that was."""
    return str(error).strip().split("\n", 1)[0].rstrip(".")
