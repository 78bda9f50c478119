"""Control files signed with OpenPGP: valid by a certificate, an instant and the program's policy."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from pysequoia import Cert, CipherSuite, SignatureMode, Tsk, sign

from cardops.rules.intake.control_files import (
    ControlPolicy,
    FileFigures,
    SignatureAlgorithm,
    control_content,
    signed_bytes,
)
from cardops.rules.intake.source_controls import SenderKey, SourcePolicy
from cardops.services.intake.ingestion import ingest_file
from cardops.services.intake.signatures import KeyRefusedError, key_of, signed_with
from cardops.services.openpgp import OpenPgpRefusedError, signature_problem
from tests.factories.intake_environment import IntakeWorld
from tests.services.intake.test_control_files import (
    CONTENT,
    assert_nothing_credited,
    figures,
    put,
    register,
    signed,
)

NOW = datetime.now(UTC)
OPENPGP, ED25519 = SignatureAlgorithm.OPENPGP, SignatureAlgorithm.ED25519
SIGNER = Tsk.generate("Bank <bank@example.com>")
CERTIFICATE = SIGNER.extract_certificate()


def demand(world: IntakeWorld, *signatures: SignatureAlgorithm) -> None:
    accepted = frozenset(signatures or (OPENPGP,))
    world.source_controls.set_policy(
        "default", SourcePolicy(ControlPolicy.SIGNED, signatures=accepted), "ops"
    )


def know(
    world: IntakeWorld,
    certificate: Cert = CERTIFICATE,
    key_id: str = "k1",
    *,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
) -> None:
    key = SenderKey(
        "default", key_id, bytes(certificate), algorithm=OPENPGP,
        valid_from=valid_from, valid_until=valid_until,
    )  # fmt: skip
    assert world.source_controls.add_key(key)


def control(
    by: Tsk = SIGNER, stated: FileFigures | None = None, key_id: str | None = "k1"
) -> bytes:
    stated = stated or figures()
    signature = bytes(
        sign(by.signer(), signed_bytes("default", stated), mode=SignatureMode.DETACHED)
    )
    return control_content(stated, signature=signature, key_id=key_id)


def error_of(world: IntakeWorld, content: bytes) -> str | None:
    return ingest_file(put(world, CONTENT, content), world.ports).outcome.error


@pytest.mark.parametrize("suite", [CipherSuite.Cv25519, CipherSuite.RSA2k, CipherSuite.P256])
def test_file_signed_with_openpgp_is_applied(world: IntakeWorld, suite: CipherSuite) -> None:
    demand(world)
    signer = Tsk.generate("Bank", cipher_suite=suite)
    know(world, signer.extract_certificate())

    assert error_of(world, control(signer)) is None
    assert world.source_controls.passed[1][1] == "k1"


def test_signature_may_be_a_packet_in_base64(world: IntakeWorld) -> None:
    demand(world)
    know(world)
    message = signed_bytes("default", figures())
    packet = sign(SIGNER.signer(), message, mode=SignatureMode.DETACHED, armor=False)

    assert error_of(world, control_content(figures(), signature=bytes(packet))) is None


def test_control_file_of_the_command_is_accepted(world: IntakeWorld) -> None:
    demand(world)
    know(world)
    signature = signed_with(bytes(SIGNER), signed_bytes("default", figures()))

    assert error_of(world, control_content(figures(), signature=signature)) is None


def test_either_certificate_signs_during_a_rotation(world: IntakeWorld) -> None:
    demand(world)
    know(world, Tsk.generate("Bank before").extract_certificate(), "k0")
    know(world)

    assert error_of(world, control(key_id=None)) is None


def test_altered_figures_are_refused(world: IntakeWorld) -> None:
    demand(world)
    know(world)
    altered = json.dumps({**json.loads(control()), "rows": 4}).encode()

    error = str(error_of(world, altered))

    assert "is not a valid one over these figures" in error
    assert "cardops program sender-keys default" in error
    assert_nothing_credited(world)


def test_stranger_is_refused(world: IntakeWorld) -> None:
    demand(world)
    know(world)

    error = str(error_of(world, control(Tsk.generate("Mallory"))))

    assert "not that of a registered key" in error
    assert_nothing_credited(world)


@pytest.mark.parametrize(
    ("signature", "sentence"),
    [
        (b"-----BEGIN PGP SIGNATURE-----\n\nnonsense\n-----END PGP SIGNATURE-----", "not that of"),
        (bytes(sign(SIGNER.signer(), b"x")), "not an OpenPGP signature"),
    ],
)
def test_signature_that_is_none_credits_nothing(
    world: IntakeWorld, signature: bytes, sentence: str
) -> None:
    demand(world)
    know(world)
    content = control_content(figures())
    stated = {**json.loads(content), "signature": signature.decode()}

    error = str(error_of(world, json.dumps(stated).encode()))

    assert sentence in error or "nor an OpenPGP signature" in error
    assert_nothing_credited(world)


def test_revoked_certificate_signs_no_longer(world: IntakeWorld) -> None:
    demand(world)
    revocation = CERTIFICATE.revoke(SIGNER.certifier())
    revoked = Cert.from_bytes(bytes(CERTIFICATE) + bytes(revocation))
    know(world, revoked)

    assert "its owner revoked the certificate" in str(error_of(world, control()))
    assert_nothing_credited(world)
    with pytest.raises(KeyRefusedError, match="owner revoked"):
        key_of(bytes(revoked), NOW)


def test_key_that_was_revoked_here_signs_no_longer(world: IntakeWorld) -> None:
    demand(world)
    know(world)
    world.source_controls.revoke_key("default", "k1", "ops")

    assert "the key k1 that signed it was revoked" in str(error_of(world, control()))


def test_certificate_that_expired_since_signs_no_longer(world: IntakeWorld) -> None:
    """A signature says itself when it was made, so whoever finds an old key could date it back."""
    demand(world)
    tomorrow = NOW + timedelta(days=1)
    ending = CERTIFICATE.set_expiration(tomorrow, SIGNER.certifier())
    know(world, ending)
    world.clock.at = tomorrow + timedelta(minutes=1)

    assert "the certificate expired on" in str(error_of(world, control()))
    assert_nothing_credited(world)
    with pytest.raises(KeyRefusedError, match="expired on"):
        key_of(bytes(ending), world.clock.at)


def test_subkey_that_expired_since_signs_no_longer() -> None:
    signer = Tsk.generate("Bank", validity_seconds=24 * 3600)
    renewed = signer.extract_certificate().set_expiration(
        NOW + timedelta(days=900), signer.certifier()
    )
    signature = bytes(sign(signer.signer(), b"x", mode=SignatureMode.DETACHED))

    assert signature_problem(bytes(renewed), b"x", signature, NOW) is None
    later = signature_problem(bytes(renewed), b"x", signature, NOW + timedelta(days=2))
    assert later is not None
    assert "the subkey that signed expired" in later


def test_key_signs_within_its_validity_alone(world: IntakeWorld) -> None:
    demand(world)
    claimed = world.clock.now()
    know(world, valid_until=claimed)
    know(world, key_id="k2", valid_from=claimed + timedelta(seconds=1))

    assert "the key k1 that signed it was valid until" in str(error_of(world, control()))
    world.source_controls.sender_keys.pop(("default", "k1"))
    assert "is valid only from" in str(error_of(world, control(key_id="k2")))
    assert_nothing_credited(world)
    know(world, key_id="k3", valid_from=claimed, valid_until=claimed + timedelta(seconds=1))
    assert error_of(world, control(key_id="k3")) is None


def test_algorithm_must_be_one_that_the_program_accepts(world: IntakeWorld) -> None:
    know(world)
    register(world, "k2")
    demand(world, ED25519)
    error = str(error_of(world, control()))
    assert "signed with openpgp, which the program does not accept" in error
    assert "cardops program controls default --signature openpgp" in error
    demand(world, OPENPGP)
    assert "signed with ed25519" in str(error_of(world, signed(figures())))
    assert_nothing_credited(world)
    demand(world, OPENPGP, ED25519)
    assert error_of(world, control()) is None


def test_secret_key_is_not_registered() -> None:
    with pytest.raises(OpenPgpRefusedError, match="secret OpenPGP key"):
        key_of(bytes(SIGNER), NOW)
    with pytest.raises(KeyRefusedError, match="neither an Ed25519 public key"):
        key_of(b"nonsense", NOW)
    assert key_of(str(CERTIFICATE).encode(), NOW) == (OPENPGP, bytes(CERTIFICATE))
