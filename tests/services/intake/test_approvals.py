"""Files above a cap: credited after a second person approved exactly what was judged, and not before."""

import hashlib
from pathlib import Path

import pytest

from cardops.rules.intake.control_files import ControlPolicy
from cardops.rules.intake.files import FileRecalledError, FileStatus
from cardops.rules.intake.source_controls import DEPOSITS, DecisionRefusedError, SourcePolicy
from cardops.services.accounts.deposit_files import DepositFileKey
from cardops.services.accounts.reinstatements import ReinstatementService
from cardops.services.intake.contents import ContentReplacedError
from cardops.services.intake.held_files import HeldFiles
from cardops.services.intake.ingestion import ingest_file
from cardops.services.intake.submission import SubmissionError
from cardops.services.intake.waiting_rows import release_rows
from tests.factories.deposit_desk import HEADER, DepositDesk, a_line
from tests.factories.intake_environment import IntakeWorld, csv_file
from tests.fakes.notifier import FakeNotifier
from tests.fakes.object_store import FakeObjectStore

pytestmark = pytest.mark.database

LARGE = (a_line("d1", "600.00"), a_line("d2", "400.01", "u2"))


@pytest.fixture
def desk(database_url: str, tmp_path: Path) -> DepositDesk:
    found = DepositDesk(database_url, tmp_path)
    found.cap(100_000)
    return found


def test_file_above_its_cap_credits_nothing_until_it_is_approved(desk: DepositDesk) -> None:
    held = desk.submit(*LARGE, by="anna")

    assert (held["status"], held["held_for"], held["read"]) == ("held", "approval", 0)
    assert "1000.01 USD is above the cap of 1000.00" in held["error"]
    assert (desk.status(), desk.balances()) == ("held", {})
    assert desk.approve(1)["accepted"] == 2
    assert desk.balances() == {"u1": 60_000, "u2": 40_001}
    assert desk.approve(1)["accepted"] == 2
    assert desk.balances() == {"u1": 60_000, "u2": 40_001}
    assert desk.file_breaks() == []


def test_file_at_its_cap_needs_no_approval(desk: DepositDesk) -> None:
    assert desk.submit(a_line("d1", "1000.00"), a_line("d2", "9", currency="EUR"))["accepted"] == 2


@pytest.mark.parametrize("by", [" Anna ", "anna@another-machine", "anna @desk-7"])
def test_submitter_cannot_approve(desk: DepositDesk, by: str) -> None:
    desk.submit(*LARGE, by="anna@desk-7")

    with pytest.raises(DecisionRefusedError, match="somebody else must approve"):
        desk.approve(1, by=by)
    assert (desk.status(), desk.balances()) == ("held", {})


def test_submitter_of_the_same_content_cannot_approve(desk: DepositDesk) -> None:
    desk.submit(*LARGE, by="anna")
    desk.submit(*LARGE, by="ben")

    for intake_id, by in ((1, "ben"), (2, "anna")):
        with pytest.raises(DecisionRefusedError):
            desk.approve(intake_id, by=by)
    assert desk.approve(1, by="carla")["accepted"] == 2


def test_file_of_a_sender_is_approved_by_any_person(desk: DepositDesk) -> None:
    dropped = desk.drop(*LARGE, key="incoming/deposits/bank.csv")
    (result,) = desk.materialize()

    assert result.outcome.error is not None
    assert desk.approve(dropped.intake_id, by="anna")["accepted"] == 2


def test_approval_holds_for_the_content_and_no_other(desk: DepositDesk) -> None:
    desk.submit(*LARGE)
    desk.approve(1)

    again = desk.submit(*LARGE)
    other = desk.submit(a_line("d1", "600.00"), a_line("d3", "400.01", "u2"))

    assert (again["status"], again["duplicate"]) == ("applied", 2)
    assert other["status"] == "held"


def test_file_that_would_credit_more_than_was_approved_is_held_again(world: IntakeWorld) -> None:
    """A row whose timestamp was in the future while somebody approved is valid now."""
    world.source_controls.set_policy("default", SourcePolicy(caps_minor={"USD": 100}), "ops")
    lines = (a_line("d1", "2.00"), a_line("d2", "3.00").replace("2026-03-01", "2026-11-22"))
    held = world.ingest("deposits", csv_file(HEADER, *lines)).intake_file.intake_id
    desk = HeldFiles(
        world.source_controls, world.intake_ledger, world.raw_store, world.failed_store, world.clock
    )
    desk.approve(held, "boss", "2.00 is right")
    world.clock.advance(days=2)

    assert "5.00 USD is above" in str(ingest_file(held, world.ports).outcome.error)
    assert not world.deposit_ledger.events
    desk.approve(held, "boss", "so is 5.00")
    assert ingest_file(held, world.ports).outcome.accepted == 2


def test_replaced_content_is_not_approved(desk: DepositDesk) -> None:
    dropped = desk.drop(*LARGE, key="incoming/deposits/bank.csv")
    desk.materialize()
    desk.raw_store.replace(dropped.arrival.key, desk.file(a_line("d1", "9999.00")))

    with pytest.raises(ContentReplacedError):
        desk.approve(dropped.intake_id)
    assert desk.balances() == {}


def test_content_replaced_after_the_approval_is_not_credited(desk: DepositDesk) -> None:
    dropped = desk.drop(*LARGE, key="incoming/deposits/bank.csv")
    desk.materialize()
    desk.held_files.approve(dropped.intake_id, "boss", "seen")
    desk.raw_store.replace(dropped.arrival.key, desk.file(a_line("d1", "9999.00")))

    with pytest.raises(ContentReplacedError):
        desk.materialize()
    assert desk.balances() == {}


def test_rejected_file_stays_refused(desk: DepositDesk) -> None:
    desk.submit(*LARGE, by="anna")

    for _ in range(2):
        rejected = desk.reject(1)
        assert rejected.outcome is not None
        assert "was rejected by boss: not ours" in str(rejected.outcome.error)
    desk.materialize()

    assert (desk.status(), desk.balances()) == ("refused", {})
    with pytest.raises(DecisionRefusedError, match="refused and not held"):
        desk.approve(1)
    released = desk.submissions.release(desk.intake_ledger.find(1), [])
    assert released["status"] == "held"


def test_recalled_file_cannot_be_approved(desk: DepositDesk) -> None:
    desk.submit(*LARGE)
    desk.recall(1)

    with pytest.raises(FileRecalledError):
        desk.approve(1)
    assert (desk.status(), desk.balances()) == ("recalled", {})


def test_backfill_leaves_a_held_file_held(desk: DepositDesk) -> None:
    desk.submit(*LARGE)
    desk.materialize()
    desk.cap(200_000)
    desk.submit(a_line("d9", "1.00", "u9"))

    assert (desk.status(1), desk.status(2)) == ("held", "applied")
    desk.materialize()
    assert desk.balances() == {"u1": 60_000, "u2": 40_001, "u9": 100}


def test_cap_set_later_does_not_hold_a_file_that_passed(desk: DepositDesk) -> None:
    desk.cap(200_000)
    desk.submit(*LARGE)
    desk.cap(1)

    desk.materialize()

    assert (desk.status(), desk.balances()["u1"]) == ("applied", 60_000)


def test_held_file_is_reported_once(desk: DepositDesk) -> None:
    notifier = FakeNotifier()
    desk.submit(*LARGE)
    for _ in range(2):
        desk.held_files.report(notifier)

    ((subject, _, runbook),) = notifier.alarms
    assert subject == "Intake file 1 waits for an approval"
    assert runbook == "docs/runbooks/held-file.md"


def test_person_who_reinstates_a_new_file_cannot_approve_it(desk: DepositDesk) -> None:
    service = ReinstatementService(desk.submissions, desk.deposit_ledger)
    path = desk.file(*LARGE)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    service.reinstate(str(path), DepositFileKey(content_sha256=digest), "anna", "corrected")

    assert desk.status() == "held"
    with pytest.raises(DecisionRefusedError):
        desk.approve(1, by="anna")
    assert desk.balances() == {}


@pytest.mark.parametrize("by", ["", " ", "\u00a0"])
def test_decision_names_a_person(desk: DepositDesk, by: str) -> None:
    desk.submit(*LARGE)

    with pytest.raises(DecisionRefusedError, match="--by is empty"):
        desk.approve(1, by=by)
    assert (desk.status(), desk.balances()) == ("held", {})


def test_submitters_of_a_file_cannot_approve_its_released_rows(desk: DepositDesk) -> None:
    bad = a_line("d3", "2000.005")
    desk.submit(a_line("d1", "1.00"), bad, by="anna")
    desk.submit(a_line("d1", "1.00"), bad, by="ben")
    key = f"incoming/deposits/default/released/{1:012d}-0123456789ab.csv"
    released = desk.drop(a_line("d3", "2000.00"), key=key)
    desk.materialize()

    for by in ("anna", "ben"):
        with pytest.raises(DecisionRefusedError, match="somebody else must approve"):
            desk.approve(released.intake_id, by=by)


def test_half_credited_file_is_not_held_by_a_cap_that_is_set_then(desk: DepositDesk) -> None:
    """It would say that nothing of it is credited, and could be rejected."""
    desk.ports.source_controls.set_policy("default", SourcePolicy(), "ops")
    desk.submit(*LARGE)
    desk.intake_ledger.mark(1, FileStatus.DEAD)
    desk.cap(1)

    released = desk.submissions.release(desk.intake_ledger.find(1), [])

    assert (released["status"], released["accepted"]) == ("applied", 2)
    assert desk.file_breaks() == []


def test_file_under_the_name_of_released_rows_is_not_taken_for_them(desk: DepositDesk) -> None:
    """The name follows from the rows, so their sender can put something else there before."""
    desk.submit(a_line("d1", "10.00"), a_line("d2", "1.005"))
    origin, elsewhere = desk.intake_ledger.find(1), FakeObjectStore()
    key = release_rows(origin, [2], raw_store=elsewhere, failed_store=desk.failed_store)
    assert key is not None
    desk.raw_store.create(key, desk.file(a_line("d9", "9.99", "u9")))
    demanded = SourcePolicy(ControlPolicy.REQUIRED)
    desk.ports.source_controls.set_policy("default", demanded, "ops")

    for _ in range(2):
        released = desk.submissions.release(origin, [2])
        assert (released["read"], released["quarantined"]) == (1, 1)
    (forged,) = desk.submissions.claims.claim_released(DEPOSITS, "default")
    desk.materialize()

    assert desk.balances() == {"u1": 1_000}
    assert desk.status(forged.intake_id) == "held"


def test_approving_a_dead_file_again_says_what_to_do(desk: DepositDesk) -> None:
    desk.submit(*LARGE)
    desk.held_files.approve(1, "boss", "seen")
    desk.intake_ledger.mark(1, FileStatus.DEAD)

    with pytest.raises(SubmissionError, match="quarantine release 1"):
        desk.approve(1)
    assert desk.submissions.release(desk.intake_ledger.find(1), [])["accepted"] == 2
