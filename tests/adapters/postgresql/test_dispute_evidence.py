"""DisputeEvidence on the fake and on PostgreSQL."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from cardops.adapters.postgresql.chargebacks.dispute_evidence import PostgresDisputeEvidence
from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.ports import DisputeEvidence, IntakeLedger
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.evidence_files import (
    EvidenceChange,
    RecordedChange,
    current_files,
    judge_change,
)
from cardops.rules.chargebacks.evidence_packages import (
    EvidencePackage,
    PackageRequest,
    PackedFile,
)
from cardops.rules.chargebacks.files import Action
from cardops.rules.chargebacks.filing import RowKey
from cardops.rules.chargebacks.queue import Opening
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.intake.files import ChargebackBatch, FileOutcome, Kind
from tests.factories.intake import A_DAY, an_arrival
from tests.fakes.evidence import FakeDisputeEvidence
from tests.fakes.intake_ledger import FakeIntakeLedger

KEY = DisputeKey("default", "visa", "c1")
FILE = PackedFile("01_receipt_ab.pdf", "ab", "scan.pdf", 10)


@dataclass
class Stores:
    ledger: IntakeLedger
    evidence: DisputeEvidence


@pytest.fixture(params=["fake", pytest.param("postgresql", marks=pytest.mark.database)])
def stores(request: pytest.FixtureRequest) -> Stores:
    if request.param == "fake":
        ledger = FakeIntakeLedger()
        return Stores(ledger, FakeDisputeEvidence(ledger))
    url = request.getfixturevalue("database_url")
    return Stores(PostgresIntakeLedger(url), PostgresDisputeEvidence(url))


def a_change(sha256: str, *, is_removed: bool = False) -> EvidenceChange:
    return EvidenceChange("receipt", sha256, "f.pdf", "application/pdf", 9, "ann", "", is_removed)


def a_filed_batch(ledger: IntakeLedger) -> ChargebackBatch:
    """One file with two accepted rows, which are in the batch's files."""
    arrival = an_arrival("incoming/a.csv", kind=Kind("chargebacks"))
    batch = ledger.claim_batch([arrival], A_DAY, mode="size_balanced")
    assert batch is not None
    (file,) = batch.files
    ledger.begin(file.intake_id)
    ledger.finish(file.intake_id, FileOutcome(read=2, accepted=2))
    return make(ledger, batch.batch_id, [file.intake_id], 2)


def make(
    ledger: IntakeLedger, batch_id: str, intake_ids: Sequence[int], rows: int
) -> ChargebackBatch:
    filed = ledger.file_batch(batch_id, intake_ids)
    for network in NETWORKS:
        ledger.slot_made(batch_id, network, rows if network == "visa" else 0)
    return filed


def a_request(batch: ChargebackBatch, case: str = "c1") -> PackageRequest:
    opening = Opening(DisputeKey("default", "visa", case), "chargeback", 1)
    row = RowKey(batch.files[0].intake_id, int(case[1:]))
    return PackageRequest(
        opening, row, batch.batch_id, Action.REPRESENT, '{"é": 1}\n', (FILE,), "bea", "proof"
    )


def never(*_: object) -> None:
    return None


def same(
    request: PackageRequest, packages: Sequence[EvidencePackage], _: Sequence[RecordedChange]
) -> EvidencePackage | None:
    return next((sent for sent in packages if sent.content == request.content), None)


def test_changes_are_kept_in_order_and_a_repeat_adds_none(stores: Stores) -> None:
    changes = [a_change("aa"), a_change("bb"), a_change("aa", is_removed=True)]
    for change in [*changes, changes[1]]:
        stores.evidence.change(KEY, change, lambda known, one=change: judge_change(one, known))

    recorded = stores.evidence.changes_of(KEY)
    assert [found.change for found in recorded] == changes
    assert [found.number for found in recorded] == [1, 2, 3]
    assert [file.sha256 for file in current_files(recorded)] == ["bb"]
    assert stores.evidence.changes_of(DisputeKey("default", "amex", "c1")) == []


def test_packages_go_into_one_new_batch_with_their_rows(stores: Stores) -> None:
    batch = a_filed_batch(stores.ledger)
    requests = [a_request(batch, "c2"), a_request(batch)]

    sent = stores.evidence.send(requests, never)

    assert [is_new for _, is_new in sent] == [True, True]
    (batch_id,) = {package.batch_id for package, _ in sent}
    new = stores.ledger.batch(batch_id)
    assert (new.program, new.mode, new.layout_version) == ("default", "size_balanced", 2)
    rows = [carried.key for carried in stores.ledger.carried_rows(batch_id)]
    assert sorted(rows, key=lambda row: row.row_number) == [
        RowKey(batch.files[0].intake_id, number) for number in (1, 2)
    ]
    assert [package.content for package in stores.ledger.packages_of(batch_id)] == [
        request.content for request in reversed(requests)
    ]
    assert stores.evidence.packages_of(KEY) == [sent[1][0]]


def test_row_that_goes_again_with_evidence_neither_waits_nor_is_missing(stores: Stores) -> None:
    batch = a_filed_batch(stores.ledger)
    ((package, _),) = stores.evidence.send([a_request(batch)], never)

    assert stores.ledger.waiting_rows_of(batch.batch_id) == []
    assert stores.ledger.held_disputes() == []
    make(stores.ledger, package.batch_id, [], 1)
    assert stores.ledger.batch_accounts(batch.filed_at or pytest.fail("not filed")) == []


def test_same_package_again_makes_no_batch(stores: Stores) -> None:
    batch = a_filed_batch(stores.ledger)
    first = stores.evidence.send([a_request(batch)], same)
    again = stores.evidence.send([a_request(batch)], same)

    assert again == [(first[0][0], False)]
    assert len(stores.evidence.packages_of(KEY)) == 1
    open_batches = [found.batch_id for found in stores.ledger.open_batches()]
    assert open_batches == [first[0][0].batch_id]


@pytest.mark.database
def test_two_people_at_once_change_evidence_one_after_the_other(module_database_url: str) -> None:
    evidence = PostgresDisputeEvidence(module_database_url)
    change = a_change("at once")

    def add(_: int) -> bool:
        return evidence.change(KEY, change, lambda known: judge_change(change, known))[1]

    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(add, range(8)))

    assert sum(added) == 1
