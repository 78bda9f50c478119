"""Evidence goes to the card company beside a CSV whose line asks for what it proves."""

import hashlib
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from cardops.rules.chargebacks.evidence_files import (
    EvidenceDamagedError,
    EvidenceRefusedError,
    evidence_key,
)
from cardops.rules.chargebacks.filing import RowKey, WaitingDispute, WaitReason
from cardops.rules.chargebacks.queue import RecordKind
from cardops.rules.deliveries.records import FrozenFileError
from cardops.services.disputes.recording import CaseName
from tests.factories.evidence import PDF
from tests.factories.evidence_desk import FIRST, SECOND, EvidenceDesk
from tests.fakes.filed_batches import FakeWait


@pytest.fixture
def desk(tmp_path: Path) -> EvidenceDesk:
    return EvidenceDesk(tmp_path)


def test_evidence_goes_beside_the_csv_and_the_line_asks_for_it(desk: EvidenceDesk) -> None:
    desk.world.add("c1", "proof_of_delivery")
    desk.world.add("c1", "receipt", b"paid 25.00\n", "note.txt")
    ((package, is_new),) = desk.send("c1")
    desk.files.deliver(package.batch_id)

    assert (is_new, package.batch_id, package.action) == (True, SECOND, "represent")
    line = desk.files.lines()[-1]
    assert (line["case_number"], line["action"]) == ("c1", "represent")
    control = desk.files.controls()[-1]
    record = desk.files.ledger.find(SECOND, "visa")
    assert record is not None
    stored = desk.world.store.contents[f"chargebacks/{SECOND}/{record.names[2]}"]
    assert control["evidence"] == {
        "file": "CB_visa_default_2026-11-20_000002_v2_evidence.zip",
        "sha256": hashlib.sha256(stored).hexdigest(),
        "size_bytes": len(stored),
        "disputes": 1,
    }
    archive = desk.archive()
    digests = [hashlib.sha256(content).hexdigest()[:12] for content in (PDF, b"paid 25.00\n")]
    names = [f"01_proof_of_delivery_{digests[0]}.pdf", f"02_receipt_{digests[1]}.txt"]
    assert archive.namelist() == [f"0001_c1/{name}" for name in ["manifest.json", *names]]
    assert archive.read(f"0001_c1/{names[0]}") == PDF
    manifest = json.loads(archive.read("0001_c1/manifest.json"))
    assert {name: manifest[name] for name in ("case_number", "action", "dispute_amount")} == {
        "case_number": "c1",
        "action": "represent",
        "dispute_amount": "25.00",
    }
    told = {item["item"]: item for item in manifest["items"]}
    assert told["proof_of_delivery"]["files"][0]["name"] == names[0]
    assert told["transaction_details"]["value"].startswith("t1: 25.00 USD")


def test_made_again_the_files_have_the_same_bytes_whatever_is_known_by_then(
    desk: EvidenceDesk,
) -> None:
    desk.world.add("c1", "proof_of_delivery")
    desk.send("c1")
    desk.files.deliver(SECOND)
    made = dict(desk.world.store.contents)
    desk.world.add("c1", "receipt", b"later\n")
    desk.world.sell("t1", date(2026, 11, 1), status="refunded", updated_at=datetime.now(UTC))

    for key in [key for key in made if key.startswith("chargebacks/")]:
        desk.world.store.delete(key)
    for batch_id in (FIRST, SECOND):
        desk.files.deliver(batch_id)

    assert made.items() <= desk.world.store.contents.items()


def test_visa_answers_fraud_by_pre_arbitration_and_one_archive_has_both(desk: EvidenceDesk) -> None:
    for case in ("c1", "c2"):
        desk.world.add(case, "proof_of_delivery")
        desk.world.add(case, "product_description", b"shoes\n")
    sent = desk.send("c2", "c1")
    desk.files.deliver(SECOND)

    assert [(package.action, package.batch_id) for package, _ in sent] == [
        ("pre_arbitration", SECOND),
        ("represent", SECOND),
    ]
    assert [line["action"] for line in desk.files.lines()[-2:]] == ["represent", "pre_arbitration"]
    folders = {name.split("/")[0] for name in desk.archive().namelist()}
    assert folders == {"0001_c1", "0002_c2"}


def test_evidence_at_another_stage_adds_to_what_is_under_way(desk: EvidenceDesk) -> None:
    desk.report({"case_number": "c1", "stage": "pre_arbitration"})
    desk.world.add("c1", "proof_of_delivery")
    desk.world.add("c1", "new_information", b"signed\n")

    ((package, _),) = desk.send("c1")
    desk.files.deliver(package.batch_id)

    assert desk.files.lines()[-1]["action"] == "evidence"


def test_asking_twice_sends_once_unless_it_is_to_go_again(desk: EvidenceDesk) -> None:
    desk.world.add("c1", "proof_of_delivery")
    first, again = (desk.send("c1")[0] for _ in range(2))
    assert (first[1], again[1]) == (True, False)
    assert first[0] == again[0]

    assert desk.send("c1", is_again=True)[0][0].batch_id == "default-2026-11-20-003"
    desk.world.add("c1", "receipt", b"more\n")
    assert desk.send("c1")[0][0].number == 3


def test_incomplete_evidence_is_sent_only_with_a_reason(desk: EvidenceDesk) -> None:
    with pytest.raises(EvidenceRefusedError, match="not complete: proof_of_delivery, access_log"):
        desk.send("c1")
    assert desk.world.intake.intake_ledger.evidence_packages == []

    ((package, _),) = desk.send("c1", why="the customer confirmed by phone")
    assert package.why == "the customer confirmed by phone"


def test_altered_file_is_refused_when_sent_and_when_made(desk: EvidenceDesk) -> None:
    desk.world.add("c1", "proof_of_delivery")
    key = evidence_key(hashlib.sha256(PDF).hexdigest())
    desk.world.store.replace(key, PDF + b" altered")
    with pytest.raises(EvidenceDamagedError, match="Nothing was sent"):
        desk.send("c1")

    desk.world.store.replace(key, PDF)
    desk.send("c1")
    desk.world.store.delete(key)
    with pytest.raises(EvidenceDamagedError, match=r"'scan\.pdf'"):
        desk.builder.build(SECOND, ["visa"])
    assert desk.files.ledger.find(SECOND, "visa") is None

    desk.world.add("c1", "proof_of_delivery")
    assert desk.builder.build(SECOND, ["visa"])["visa"] is not None


def test_archive_that_would_differ_from_the_recorded_one_is_refused(desk: EvidenceDesk) -> None:
    desk.world.add("c1", "proof_of_delivery")
    desk.send("c1")
    desk.files.deliver(SECOND)
    desk.world.intake.intake_ledger.evidence_packages.clear()

    with pytest.raises(FrozenFileError):
        desk.builder.build(SECOND, ["visa"])


def test_dispute_that_is_over_or_waits_is_not_answered(desk: EvidenceDesk) -> None:
    world = desk.world
    for case in ("c1", "c2"):
        world.add(case, "proof_of_delivery")
        world.add(case, "product_description", b"shoes\n")
    state = world.of("c1").step
    row = RowKey(state.intake_id, state.row_number)
    wait = WaitingDispute(
        row, "default", FIRST, "visa", "c1", "chargeback", WaitReason.REJECTED, datetime.now(UTC)
    )
    world.intake.intake_ledger.waits_to_be_sent.append(FakeWait(wait))
    with pytest.raises(EvidenceRefusedError, match="waits and is in no chargeback file"):
        desk.send("c1")

    world.recording.record(CaseName("c2"), RecordKind.CLOSE, by="ann", text="elsewhere")
    with pytest.raises(EvidenceRefusedError, match="ann recorded close"):
        desk.send("c2")

    desk.report({"case_number": "c1", "stage": "won", "status": "won"})
    with pytest.raises(EvidenceRefusedError, match=r"has ended \(won\)"):
        desk.send("c1")


def test_change_by_somebody_else_in_between_sends_nothing(
    desk: EvidenceDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.world.add("c1", "proof_of_delivery")
    gather = desk.world.evidence.packages_of

    def add_meanwhile(*dispute: object) -> object:
        monkeypatch.undo()
        desk.world.add("c1", "receipt", b"meanwhile\n")
        return gather(*dispute)  # type: ignore[arg-type]

    monkeypatch.setattr(desk.world.evidence, "packages_of", add_meanwhile)

    with pytest.raises(EvidenceRefusedError, match="changed by somebody else"):
        desk.send("c1")
    assert desk.world.intake.intake_ledger.evidence_packages == []
