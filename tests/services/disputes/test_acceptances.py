"""A dispute that is accepted here is told to its card company, once, by a line of its own."""

from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cardops.adapters.postgresql.chargebacks.dispute_evidence import PostgresDisputeEvidence
from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.evidence_packages import PackageRequest
from cardops.rules.chargebacks.files import Action
from cardops.rules.chargebacks.filing import RowKey, WaitingDispute, WaitReason
from cardops.rules.chargebacks.queue import Opening, RecordKind
from cardops.rules.intake.files import Kind
from cardops.services.disputes.acceptances import LOOKED_AT, Acceptances, SentAcceptances
from cardops.services.disputes.recording import CaseName
from tests.factories.evidence_desk import FIRST, SECOND, EvidenceDesk
from tests.factories.intake import an_arrival
from tests.fakes.filed_batches import FakeWait


@pytest.fixture
def desk(tmp_path: Path) -> EvidenceDesk:
    return EvidenceDesk(tmp_path)


def accept(desk: EvidenceDesk, *cases: str) -> None:
    for case in cases:
        recording = desk.world.recording
        recording.record(CaseName(case), RecordKind.ACCEPT, by="ann", text="never sent")


def send(desk: EvidenceDesk) -> SentAcceptances:
    world = desk.world
    ledger, clock = world.intake.intake_ledger, world.intake.clock
    return Acceptances(world.recording, world.evidence, ledger, clock).send()


def cases_of(found: SentAcceptances) -> list[str]:
    return [package.opening.dispute.case_number for package in found.sent]


def test_acceptances_of_a_program_go_into_one_batch_once(desk: EvidenceDesk) -> None:
    assert send(desk) == SentAcceptances([], [])
    accept(desk, "c2", "c1")

    found, again = send(desk), send(desk)
    desk.files.deliver(SECOND)

    assert (cases_of(found), cases_of(again)) == (["c1", "c2"], [])
    assert {(package.batch_id, package.sent_by, package.why) for package in found.sent} == {
        (SECOND, "ann", "never sent")
    }
    lines = desk.files.lines()[-2:]
    assert [(line["case_number"], line["action"]) for line in lines] == [
        ("c1", "accept"),
        ("c2", "accept"),
    ]
    record = desk.files.ledger.find(SECOND, "visa")
    assert record is not None
    assert len(record.names) == 2
    assert "evidence" not in desk.files.controls()[-1]
    assert not [key for key in desk.world.store.contents if key.endswith(".zip")]


def test_evidence_beside_an_acceptance_goes_alone_into_the_archive(desk: EvidenceDesk) -> None:
    accept(desk, "c1")
    send(desk)
    desk.world.add("c2", "proof_of_delivery")
    desk.world.add("c2", "product_description", b"shoes\n")
    packages = desk.world.intake.intake_ledger.evidence_packages
    desk.send("c2")
    assert [package.has_evidence for package in packages] == [False, True]

    assert desk.world.of("c1").sent is None
    sent = desk.world.of("c2").sent
    assert sent is not None
    assert sent.action == "pre_arbitration"


def test_two_that_look_at_once_send_it_once(
    desk: EvidenceDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept(desk, "c1")
    send(desk)

    def nothing_yet(since: datetime) -> AbstractSet[Opening]:
        return set()

    monkeypatch.setattr(desk.world.evidence, "accepted_since", nothing_yet)

    assert cases_of(send(desk)) == []
    assert len(desk.world.intake.intake_ledger.evidence_packages) == 1


def test_dispute_that_is_in_no_file_is_accepted_once_it_is(desk: EvidenceDesk) -> None:
    step = desk.world.of("c1").step
    row = RowKey(step.intake_id, step.row_number)
    wait = WaitingDispute(
        row, "default", FIRST, "visa", "c1", "chargeback", WaitReason.REJECTED, datetime.now(UTC)
    )
    waits = desk.world.intake.intake_ledger.waits_to_be_sent
    waits.append(FakeWait(wait))
    accept(desk, "c1", "c2")

    found = send(desk)
    assert cases_of(found) == ["c2"]
    assert [record.request.opening.dispute.case_number for record in found.waiting] == ["c1"]

    waits.clear()
    assert cases_of(send(desk)) == ["c1"]


@pytest.mark.parametrize("status", ["won", "open"])
def test_dispute_that_moved_on_since_is_not_accepted(desk: EvidenceDesk, status: str) -> None:
    accept(desk, "c1")
    desk.report({"case_number": "c1", "stage": "pre_arbitration", "status": status})

    assert send(desk) == SentAcceptances([], [])


def test_old_acceptance_is_not_looked_at_for_ever(desk: EvidenceDesk) -> None:
    accept(desk, "c1")
    desk.world.intake.clock.advance(days=LOOKED_AT.days, seconds=1)

    assert send(desk) == SentAcceptances([], [])


@pytest.mark.database
def test_acceptance_is_known_from_when_it_was_sent(database_url: str) -> None:
    evidence = PostgresDisputeEvidence(database_url)
    opening = Opening(DisputeKey("default", "visa", "c1"), "chargeback", 1)
    now = datetime.now(UTC)
    assert evidence.accepted_since(now) == set()
    ledger = PostgresIntakeLedger(database_url)
    batch = ledger.claim_batch(
        [an_arrival("a.csv", kind=Kind("chargebacks"))], now.date(), mode="by_network"
    )
    assert batch is not None
    row = RowKey(batch.files[0].intake_id, 1)
    request = PackageRequest(opening, row, batch.batch_id, Action.ACCEPT, "", (), "ann", "why")
    represent = replace(request, opening=replace(opening, number=2), action=Action.REPRESENT)
    for one in (request, represent):
        evidence.send([one], lambda *_: None)

    assert evidence.accepted_since(now - timedelta(minutes=5)) == {opening}
    assert evidence.accepted_since(now + timedelta(minutes=5)) == set()
