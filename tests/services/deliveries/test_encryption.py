"""Files encrypted with OpenPGP: the same bytes at each attempt, both hashes on record before sending."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from pysequoia import Cert, Tsk, decrypt
from pysequoia.packet import PacketPile, Tag

from cardops.rules.deliveries.records import (
    ChargebackFileRecord,
    DeliveryState,
    TransientDeliveryError,
)
from tests.services.deliveries.delivering import World

KEY = Tsk.generate("Visa <files@visa.example>")
OTHER = Tsk.generate("Visa <new@visa.example>")
NOW = datetime.now(UTC)


@pytest.fixture
def world() -> World:
    world = World()
    world.clock.at = NOW
    encrypt_for(world, KEY.extract_certificate())
    return world


def encrypt_for(world: World, certificate: Cert) -> None:
    world.destinations.parts["visa"] = {"openpgp_certificate": str(certificate)}


def deliver(world: World) -> ChargebackFileRecord:
    record = world.service().deliver("b-1", "visa")
    assert record is not None
    assert record == world.ledger.find("b-1", "visa")
    return record


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def decrypted(content: bytes, key: Tsk = KEY) -> bytes:
    return bytes(decrypt(content, decryptor=key.decryptor()).bytes or b"")


def test_delivered_files_are_encrypted_and_both_hashes_are_on_record(world: World) -> None:
    made = world.make_file()
    record = deliver(world)

    sent = world.destinations.servers["visa"]
    csv, control = (f"/inbox/{made.file_name}.pgp", f"/inbox/{made.file_name}.ctl.pgp")
    assert set(sent) == {csv, control}
    assert (record.state, record.remote_path) == (DeliveryState.DELIVERED, csv)
    assert record.encrypted_for == KEY.extract_certificate().fingerprint.upper()
    assert record.encrypted_sha256 == sha256(sent[csv])
    assert record.encrypted_control_sha256 == sha256(sent[control])
    assert sha256(decrypted(sent[csv])) == record.content_sha256 == made.content_sha256
    assert sha256(decrypted(sent[control])) == record.control_sha256


@pytest.mark.parametrize("last_step", ["write", "read_sha256", "rename"])
def test_interrupted_delivery_goes_on_with_the_same_bytes(
    world: World, last_step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = world.make_file()
    session = type(world.destinations.connect("visa"))
    real: Callable[..., object] = getattr(session, last_step)

    def fail_once(*values: object) -> object:
        monkeypatch.setattr(session, last_step, real)
        real(*values)
        raise TransientDeliveryError("the connection ended.")

    monkeypatch.setattr(session, last_step, fail_once)
    record = deliver(world)

    assert (record.state, record.attempt_count) == (DeliveryState.DELIVERED, 2)
    sent = world.destinations.servers["visa"][f"/inbox/{made.file_name}.pgp"]
    assert record.encrypted_sha256 == sha256(sent)


def test_hashes_are_on_record_before_anything_is_sent(world: World) -> None:
    world.make_file()
    recorded = []
    world.destinations.before_connect = lambda _: recorded.append(world.ledger.find("b-1", "visa"))
    record = deliver(world)

    assert recorded[0] is not None
    assert recorded[0].encrypted_sha256 == record.encrypted_sha256 is not None


def expired() -> Cert:
    return Tsk.generate("Visa", validity_seconds=60).extract_certificate()


def without_encryption_key() -> Cert:
    # The signature of the encryption key's binding is cut off with it.
    packets = list(PacketPile.from_bytes(bytes(KEY.extract_certificate())))
    first_subkey = next(at for at, packet in enumerate(packets) if packet.tag == Tag.PublicSubkey)
    return Cert.from_packets(packets[:first_subkey])


@pytest.mark.parametrize(
    ("certificate", "message"),
    [(expired, "the certificate expired on"), (without_encryption_key, "no key that may encrypt")],
)
def test_certificate_that_cannot_be_encrypted_for_is_refused_before_connecting(
    world: World, certificate: Callable[[], Cert], message: str
) -> None:
    world.make_file()
    encrypt_for(world, certificate())
    world.clock.at = NOW + timedelta(hours=1)
    record = deliver(world)

    assert (record.state, record.attempt_count) == (DeliveryState.FAILED, 1)
    assert message in str(record.last_error)
    assert "Nothing was sent. Ask the card company for its current OpenPGP certificate" in str(
        record.last_error
    )
    assert not world.destinations.connections
    ((subject, _, _),) = world.notifier.alarms
    assert "cannot be delivered to" in subject


def test_file_is_encrypted_again_for_a_new_certificate_while_nothing_arrived(world: World) -> None:
    made = world.make_file()
    world.be_down("visa")
    first = deliver(world)
    encrypt_for(world, OTHER.extract_certificate())
    world.be_down()
    world.clock.advance(minutes=1)
    record = deliver(world)

    sent = world.destinations.servers["visa"][f"/inbox/{made.file_name}.pgp"]
    assert (
        first.encrypted_for
        != record.encrypted_for
        == OTHER.extract_certificate().fingerprint.upper()
    )
    assert sha256(decrypted(sent, OTHER)) == made.content_sha256


def test_file_that_may_have_arrived_is_never_encrypted_again(world: World) -> None:
    made = world.make_file()
    session = world.destinations.connect("visa")

    def fail(*_: object) -> None:
        raise TransientDeliveryError("the connection ended.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(session), "rename", fail)
        interrupted = deliver(world)
    assert interrupted.state is DeliveryState.SENDING
    encrypt_for(world, OTHER.extract_certificate())
    world.clock.advance(minutes=1)
    record = deliver(world)

    sent = world.destinations.servers["visa"][f"/inbox/{made.file_name}.pgp"]
    assert record.state is DeliveryState.DELIVERED
    assert record.encrypted_for == interrupted.encrypted_for
    assert sha256(decrypted(sent)) == made.content_sha256


def test_file_whose_plain_bytes_changed_is_not_encrypted(world: World) -> None:
    made = world.make_file()
    world.store.replace(f"chargebacks/b-1/{made.file_name}", b"changed")
    record = deliver(world)

    assert record.state is DeliveryState.FAILED
    assert "its hash differs" in str(record.last_error)
    assert not world.destinations.connections
