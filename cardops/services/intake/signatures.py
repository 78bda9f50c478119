"""Signatures of control files: Ed25519 or OpenPGP, by a key that the program registered.

Belongs here: keys as they are handed in, and which of a program's keys signed a control file. What is
signed is in cardops.rules.intake.control_files, OpenPGP itself in cardops.services.openpgp.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

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
from cardops.rules.intake.control_files import ControlFile, SignatureAlgorithm
from cardops.rules.intake.source_controls import SenderKey, SourcePolicy
from cardops.services import openpgp


class KeyRefusedError(ExplainedError):
    """A file holds no key that can be used; one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class SignedFigures:
    """A control file's figures as they are signed, for a file that was claimed at an instant."""

    control: ControlFile
    message: bytes
    program: str
    claimed_at: datetime

    def problem(self, keys: Sequence[SenderKey], policy: SourcePolicy) -> tuple[str | None, str]:
        """(The id of the key that signed them, "") or (None, why they are not signed validly)."""
        algorithm = self.control.algorithm
        if algorithm is None:
            return None, f"the control file is not signed; {self._what_is_accepted(policy)}"
        if algorithm not in policy.signatures:  # guard: signature-policy
            return None, (
                f"it is signed with {algorithm}, which the program does not accept; "
                f"{self._what_is_accepted(policy)}, or an operator changes that with `cardops "
                f"program controls {self.program} --signature {algorithm}`"
            )
        key_id = self.control.key_id
        named = [key for key in keys if key_id in {None, key.key_id} and key.algorithm == algorithm]
        refusals = []
        for key in named:
            problem = self._problem_of(key)
            if problem is None:
                return key.key_id, ""
            if problem:
                refusals.append(problem)
        if refusals:
            return None, f"{refusals[0]}; {self._next_step()}"
        if not named and key_id is not None:
            return None, f"no key {key_id!a} is registered for the program; {self._next_step()}"
        return None, (
            f"the signature is not that of a registered key over these figures; {self._next_step()}"
        )

    def _problem_of(self, key: SenderKey) -> str | None:
        """None where the key signed them validly, "" where it did not sign them, or why not."""
        signature = self.control.signature or b""
        if key.algorithm is SignatureAlgorithm.ED25519:
            if not _is_signed_by(key, signature, self.message):
                return ""
        elif not openpgp.names_key_of(key.public_key, signature):
            return ""
        if key.revoked_at is not None:  # guard: revoked-sender-key
            return f"the key {key.key_id} that signed it was revoked"
        outside = key.outside_validity(self.claimed_at)
        if outside:  # guard: sender-key-validity
            return f"the key {key.key_id} that signed it {outside}"
        if key.algorithm is SignatureAlgorithm.OPENPGP:
            problem = openpgp.signature_problem(
                key.public_key, self.message, signature, self.claimed_at
            )
            return problem and f"of the key {key.key_id} {problem}"
        return None

    def _what_is_accepted(self, policy: SourcePolicy) -> str:
        names = " or ".join(sorted(policy.signatures))
        return f"the sender signs it with {names} by a key that the program has registered"

    def _next_step(self) -> str:
        return (
            "the sender signs with a key that is valid, which `cardops program sender-keys "
            f"{self.program}` lists and `cardops program add-sender-key` registers"
        )


def key_of(content: bytes, at: datetime) -> tuple[SignatureAlgorithm, bytes]:
    """A sender's public key as it is stored: Ed25519 in PEM, or an OpenPGP certificate.

    Raises KeyRefusedError, OpenPgpRefusedError.
    """
    if openpgp.is_openpgp(content):
        certificate = openpgp.certificate_of(content)
        problem = openpgp.certificate_problem(certificate, at)
        if problem is not None:
            raise KeyRefusedError(
                f"The certificate was not registered, because {problem}; ask the sender for a valid "
                "one."
            )
        return SignatureAlgorithm.OPENPGP, certificate
    try:
        key = load_pem_public_key(content)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise KeyRefusedError(
            "This is neither an Ed25519 public key in PEM nor an OpenPGP certificate; make a key "
            "with `openssl genpkey -algorithm ed25519 -out sender.pem` and `openssl pkey -in "
            "sender.pem -pubout`, or export a certificate with `gpg --armor --export NAME`."
        )
    return SignatureAlgorithm.ED25519, key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def signed_with(content: bytes, message: bytes) -> bytes:
    """The signature by a private key without a passphrase: Ed25519 in PEM, or OpenPGP.

    Raises KeyRefusedError, OpenPgpRefusedError.
    """
    if openpgp.is_openpgp(content):
        return openpgp.signed_with(content, message)
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyRefusedError(
            "This is neither an Ed25519 private key in PEM nor a secret OpenPGP key, without a "
            "passphrase."
        )
    return key.sign(message)


def shown_key(key: SenderKey) -> str:
    """What identifies the key to people: its fingerprint, or the hexadecimal digits of Ed25519."""
    if key.algorithm is SignatureAlgorithm.OPENPGP:
        return openpgp.fingerprint_of(key.public_key)
    return key.public_key.hex()


def _is_signed_by(key: SenderKey, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True
