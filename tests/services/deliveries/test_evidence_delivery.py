"""A delivery with evidence: the archive is there before its CSV, the control file last, each once.

The delivering process ends at each of its steps, within this process; tests/faults kills real ones.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from pysequoia import Tsk, decrypt
from typing_extensions import override

from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from cardops.services.deliveries.members import processed_key
from tests.fakes.delivery_ledger import FakeDeliveryLedger
from tests.fakes.destinations import FakeDestinations, FakeFileDelivery
from tests.services.deliveries.delivering import World

ARCHIVE = b"PK archive of evidence"
STEPS = frozenset({"stat", "write", "read_sha256", "rename", "close"})
DELIVERED, UNCONFIRMED = DeliveryState.DELIVERED, DeliveryState.DELIVERED_UNCONFIRMED


class EndedError(BaseException):
    """The process ended: nothing catches it."""


@dataclass
class Steps:
    """Counts steps; the process ends at number `last`. `renamed`: every final name, in order."""

    last: int | None = None
    count: int = 0
    renamed: list[str] = field(default_factory=list)

    def step(self) -> None:
        self.count += 1
        if self.count == self.last:
            raise EndedError


@dataclass
class EndingDelivery:
    inner: FakeFileDelivery
    steps: Steps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if name not in STEPS:
            return found

        def call(*values: Any) -> Any:
            self.steps.step()
            if name == "write":
                path, content = values
                whole = content.read()
                self.inner.files[path] = whole[: len(whole) // 2]
                self.steps.step()
                self.inner.files[path] = whole
                return None
            result = found(*values)
            if name == "rename":
                self.steps.renamed.append(values[1])
            self.steps.step()
            return result

        return call


@dataclass
class EndingDestinations(FakeDestinations):
    steps: Steps = field(default_factory=Steps)

    @override
    def connect(self, destination: str) -> Any:
        session = super().connect(destination)
        assert isinstance(session, FakeFileDelivery)
        return EndingDelivery(session, self.steps)


class EndingLedger(FakeDeliveryLedger):
    steps: Steps = Steps()

    @override
    def record(self, record: ChargebackFileRecord) -> None:
        self.steps.step()
        super().record(record)
        self.steps.step()


@dataclass
class EndingWorld:
    """A made file with evidence, and deliveries of it that may end."""

    world: World = field(default_factory=World)
    steps: Steps = field(default_factory=Steps)

    def __post_init__(self) -> None:
        ledger = EndingLedger()
        ledger.steps = self.steps
        self.world.ledger = ledger
        self.made = self.world.make_file(evidence=ARCHIVE)

    @property
    def server(self) -> dict[str, bytes]:
        return self.world.destinations.servers.setdefault("visa", {})

    def deliver(self, last: int | None = None) -> bool:
        """Whether it came to its end."""
        self.steps.last = None if last is None else self.steps.count + last
        places = EndingDestinations(servers=self.world.destinations.servers, steps=self.steps)
        try:
            self.world.service(places).deliver("b-1", "visa")
        except EndedError:
            return False
        return True

    @property
    def state(self) -> DeliveryState:
        record = self.world.ledger.find("b-1", "visa")
        assert record is not None
        return record.state

    def finals(self) -> dict[str, str]:
        return {
            path.rpartition("/")[2]: hashlib.sha256(content).hexdigest()
            for path, content in self.server.items()
            if not path.endswith(".part")
        }

    def expected(self) -> dict[str, str]:
        return dict(zip(self.made.names, self.made.hashes, strict=True))


def test_evidence_is_renamed_first_and_the_control_file_last() -> None:
    ending = EndingWorld()
    assert ending.deliver()

    csv, control, evidence = (f"/inbox/{name}" for name in ending.made.names)
    assert ending.steps.renamed == [evidence, csv, control]
    assert ending.finals() == ending.expected()
    assert ending.made.names[2].endswith("_v2_evidence.zip")
    assert ending.state is DELIVERED


def test_ended_delivery_leaves_whole_files_and_the_next_one_finishes() -> None:
    for last in range(1, 200):
        ending = EndingWorld()
        if ending.deliver(last):
            assert last > 40, "too few steps to prove anything"
            return
        found = ending.finals()
        assert found.items() <= ending.expected().items()
        csv, control, evidence = ending.made.names
        assert csv not in found or evidence in found
        assert control not in found or csv in found

        assert ending.deliver()
        assert ending.finals() == ending.expected()
        assert ending.state is DELIVERED
    pytest.fail("the delivery never ended")


def test_what_was_collected_in_between_is_not_sent_again() -> None:
    for last in range(1, 200):
        ending = EndingWorld()
        if ending.deliver(last):
            return
        collected = list(ending.finals())
        for name in collected:
            del ending.server[f"/inbox/{name}"]
        assert ending.deliver()
        assert len(ending.steps.renamed) == len(set(ending.steps.renamed)), "sent twice"
        if ending.state is DELIVERED:
            assert sorted([*collected, *ending.finals()]) == sorted(ending.made.names)
        else:
            assert ending.state is UNCONFIRMED
            assert collected, "nothing was collected, so nothing is uncertain"
    pytest.fail("the delivery never ended")


def test_altered_archive_is_refused_before_anything_is_sent() -> None:
    ending = EndingWorld()
    ending.world.store.replace(processed_key("b-1", ending.made.names[2]), b"PK altered")
    assert ending.deliver()

    assert ending.server == {}
    assert ending.state is DeliveryState.FAILED
    assert "its hash differs" in ending.world.notifier.alarms[0][1]


def test_other_archive_under_the_name_stops_the_delivery() -> None:
    ending = EndingWorld()
    ending.server[f"/inbox/{ending.made.names[2]}"] = b"PK of somebody else"
    assert ending.deliver()

    assert ending.steps.renamed == []
    assert ending.state is DeliveryState.FAILED


def test_evidence_is_encrypted_like_the_csv() -> None:
    key = Tsk.generate("Visa <files@visa.example>")
    world = World()
    world.clock.at = datetime.now(UTC)
    world.destinations.parts["visa"] = {"openpgp_certificate": str(key.extract_certificate())}
    made = world.make_file(evidence=ARCHIVE)
    record = world.service().deliver("b-1", "visa")

    assert record is not None
    assert record == world.ledger.find("b-1", "visa")
    sent = world.destinations.servers["visa"]
    assert set(sent) == {f"/inbox/{name}.pgp" for name in made.names}
    content = sent[f"/inbox/{made.names[2]}.pgp"]
    assert bytes(decrypt(content, decryptor=key.decryptor()).bytes or b"") == ARCHIVE
    assert record.encrypted_evidence_sha256 == hashlib.sha256(content).hexdigest()
