"""Files submitted and released by a person, over fakes, with runs that only ingest."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cardops.rules.intake.files import FileStatus, IntakeFile, Kind
from cardops.services.intake.claiming import Claims
from cardops.services.intake.ingestion import MAX_ATTEMPTS, ingest_files
from cardops.services.intake.submission import Submission, SubmissionError, Submissions
from tests.factories.bank_statements import FORMATS
from tests.factories.chargeback_files import FinishedRun
from tests.factories.intake_environment import IntakeWorld, csv_file
from tests.fakes.delivery_ledger import FakeDeliveryLedger
from tests.fakes.object_store import FakeObjectStore

HEADER = "user_id,amount,deposit_id,timestamp"
GOOD = "u1,25.00,d1,2026-11-20T10:00:00Z"


@dataclass
class IngestingRuns:
    world: IntakeWorld
    delivered: list[str] = field(default_factory=list)

    def ingest_file(self, kind: Kind, files: Sequence[IntakeFile]) -> FinishedRun:
        results = ingest_files(files, (), self.world.ports)
        return FinishedRun([key for result in results for key in result.released])

    def deliver(self, batch_id: str) -> None:
        self.delivered.append(batch_id)


@dataclass
class Person:
    world: IntakeWorld
    folder: Path
    remarks: list[str] = field(default_factory=list)

    @property
    def submissions(self) -> Submissions:
        world = self.world
        return Submissions(
            claims=Claims(
                world.raw_store,
                world.failed_store,
                world.intake_ledger,
                world.programs,
                world.clock,
            ),
            runs=IngestingRuns(world),
            source_controls=world.source_controls,
            delivery_ledger=FakeDeliveryLedger(),
            processed_store=FakeObjectStore(),
            default_currency="USD",
            report=self.remarks.append,
        )

    def submit(
        self, kind: str, content: str, *, program: str = "default", name: str = "file.csv"
    ) -> dict[str, Any]:
        path = self.folder / name
        path.write_text(content)
        return self.submissions.submit(Submission(path, Kind(kind), program))


@pytest.fixture
def person(world: IntakeWorld, tmp_path: Path) -> Person:
    return Person(world, tmp_path)


def test_same_file_submitted_again_is_judged_again(person: Person) -> None:
    first = person.submit("deposits", csv_file(HEADER, GOOD))
    second = person.submit("deposits", csv_file(HEADER, GOOD))

    assert (first["status"], first["accepted"], first["run_id"]) == ("applied", 1, "run-1")
    assert (second["accepted"], second["duplicate"]) == (0, 1)


@pytest.mark.parametrize("extension", FORMATS)
def test_bank_statement_of_each_format_is_submitted_and_applied(
    person: Person, extension: str
) -> None:
    person.world.clock.advance(days=5)

    submitted = person.submit(
        "bank_statements", FORMATS[extension], name=f"Statement.{extension.upper()}"
    )

    assert (submitted["status"], submitted["error"]) == ("applied", None)
    assert submitted["accepted"] == submitted["read"] > 0


def test_submission_creates_a_missing_program_and_reports_it(person: Person) -> None:
    person.submit("deposits", csv_file(HEADER, GOOD), program="acme")

    assert person.world.programs.find("acme") is not None
    assert person.remarks == ["Program acme did not exist and was created, with currency USD."]


def test_invalid_program_name_refuses_the_submission(person: Person) -> None:
    with pytest.raises(SubmissionError):
        person.submit("deposits", csv_file(HEADER, GOOD), program="No Such")


def test_waiting_rows_are_ingested_with_the_file_that_releases_them(person: Person) -> None:
    person.submit(
        "chargebacks", csv_file("transaction_id,chargeback_amount,dispute_date", "t1,5,2026-11-10")
    )
    paid = csv_file(
        "transaction_id,order_id,user_id,amount,currency,payment_method,status,created_at,card_network",
        "t1,o1,u1,5.00,USD,card,completed,2026-11-01T10:00:00Z,visa",
    )

    (released,) = person.submit("transactions", paid)["released"]

    assert (released["kind"], released["accepted"]) == ("chargebacks", 1)
    assert released["batch"] == "default-2026-11-20-002"


def test_released_rows_are_judged_as_a_new_file(person: Person) -> None:
    bad = "u1,x,d2,2026-11-20T10:00:00Z"
    person.submit("deposits", csv_file(HEADER, GOOD, bad))

    released = person.submissions.release(person.world.intake_ledger.find(1), [])

    assert (released["read"], released["quarantined"]) == (1, 1)


def test_file_whose_rows_were_released_waits_no_more(person: Person) -> None:
    bad = ("u1,x,d2,2026-11-20T10:00:00Z", "u1,y,d3,2026-11-20T10:00:00Z")
    person.submit("deposits", csv_file(HEADER, GOOD, *bad))
    ledger = person.world.intake_ledger

    # A number that is not in quarantine releases nothing, and hides nothing.
    person.submissions.release(ledger.find(1), [2, 999])
    assert [file.intake_id for file in ledger.needing_attention()] == [2, 1]

    person.submissions.release(ledger.find(1), [])
    assert 1 not in [file.intake_id for file in ledger.needing_attention()]
    assert ledger.release_counts([1]) == {1: 2}


def test_file_without_quarantined_rows_has_nothing_to_release(person: Person) -> None:
    person.submit("deposits", csv_file(HEADER, GOOD))

    with pytest.raises(SubmissionError, match="Intake file 1 has no quarantined rows"):
        person.submissions.release(person.world.intake_ledger.find(1), [])


def test_row_that_is_not_in_quarantine_releases_no_file(person: Person) -> None:
    person.submit("deposits", csv_file(HEADER, GOOD, "u1,x,d2,2026-11-20T10:00:00Z"))
    before = sorted(person.world.raw_store.contents)

    with pytest.raises(SubmissionError, match="Intake file 1 has no row 999 in quarantine"):
        person.submissions.release(person.world.intake_ledger.find(1), [999])

    assert sorted(person.world.raw_store.contents) == before


def test_dead_file_is_ingested_when_released(person: Person) -> None:
    ledger = person.world.intake_ledger
    person.world.raw_store.create(
        "incoming/deposits/default/a.csv", csv_file(HEADER, GOOD).encode()
    )
    intake_id = person.world.claim("incoming/deposits/default/a.csv")
    ledger.attempts[intake_id] = MAX_ATTEMPTS
    ledger.mark(intake_id, FileStatus.DEAD)

    response = person.submissions.release(ledger.find(intake_id), [])

    assert (response["status"], response["accepted"]) == ("applied", 1)
    assert ledger.find(intake_id).status is FileStatus.APPLIED
