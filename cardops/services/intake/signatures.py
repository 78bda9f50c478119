"""Signatures of control files: Ed25519, by a key that the program registered.

Belongs here: keys as they are handed in, and verification. What is signed is in
cardops.rules.intake.control_files.
"""

from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from cardops.rules.errors import ExplainedError
from cardops.rules.intake.control_files import ControlFile
from cardops.rules.intake.source_controls import SenderKey


class KeyRefusedError(ExplainedError):
    """A file holds no Ed25519 key; one sentence for the operator."""


def signature_problem(
    control: ControlFile, message: bytes, keys: Sequence[SenderKey]
) -> tuple[str | None, str]:
    """(The id of the key that signed it, "") or (None, why it is not signed validly)."""
    if control.signature is None:
        return None, "the control file is not signed"
    named = [key for key in keys if control.key_id in {None, key.key_id}]
    signing = [key for key in named if _is_signed_by(key, control.signature, message)]
    valid = [key for key in signing if key.revoked_at is None]  # guard: revoked-sender-key
    if valid:
        return valid[0].key_id, ""
    if signing:
        return None, f"the key {signing[0].key_id} that signed it was revoked"
    if not named and control.key_id is not None:
        return None, f"no key {control.key_id!a} is registered for the program"
    return None, "the signature is not that of a registered key over these figures"


def public_key_of(pem: bytes) -> bytes:
    """The 32 bytes of an Ed25519 public key in PEM. Raises KeyRefusedError."""
    try:
        key = load_pem_public_key(pem)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise KeyRefusedError(
            "This is no Ed25519 public key in PEM; make one with `openssl genpkey -algorithm "
            "ed25519 -out sender.pem` and `openssl pkey -in sender.pem -pubout`."
        )
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def signed_with(pem: bytes, message: bytes) -> bytes:
    """The signature by the Ed25519 private key in PEM. Raises KeyRefusedError."""
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyRefusedError("This is no Ed25519 private key in PEM without a passphrase.")
    return key.sign(message)


def _is_signed_by(key: SenderKey, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True
