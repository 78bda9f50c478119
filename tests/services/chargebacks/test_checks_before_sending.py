"""Disputes that should not be sent as they are: flagged, and held or sent by the program's policy."""

from pathlib import Path

import pytest

from cardops.adapters.warehouse.lake_disputes import DuckDbDisputes
from cardops.rules.chargebacks.batch_totals import batch_breaks
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.services.chargebacks.waiting_disputes import WaitingDisputes
from cardops.services.disputes.evidence import EvidenceService
from cardops.services.disputes.history import DisputeHistories
from cardops.services.disputes.recording import CaseName, DisputeRecording
from orchestration.cli.commands.submit import exit_code
from tests.factories.chargeback_files import FileDesk
from tests.factories.disputed_files import CHARGEBACKS, DISPUTED, PAID, TRANSACTIONS
from tests.factories.intake_environment import IntakeWorld, csv_file
from tests.fakes.acknowledgements import FakeAcknowledgements
from tests.fakes.disputes import FakeDisputeRecords
from tests.fakes.evidence import FakeDisputeEvidence
from tests.fakes.provisional import NoCredits

REFUNDED = PAID.replace("completed", "refunded")
FAILED = PAID.replace("completed", "failed")
WHOLE = DISPUTED.replace("25.00", "100.00")
OTHER = "t2,5.00,2026-11-10,USD,c2,visa"
TWICE = WHOLE.replace("c1", "other-1")


@pytest.fixture
def desk(world: IntakeWorld, tmp_path: Path) -> FileDesk:
    return FileDesk(world, tmp_path)


def hold(desk: FileDesk, flag: str) -> None:
    desk.world.intake_ledger.set_dispute_policy("default", flag, "hold", set_by="ops")


def cases(desk: FileDesk) -> list[str]:
    return [line["case_number"] for line in desk.lines()]


@pytest.mark.parametrize(
    ("payment", "flag"), [(REFUNDED, "refunded_already"), (FAILED, "failed_payment")]
)
def test_dispute_of_a_payment_that_took_no_money_is_flagged_and_sent(
    desk: FileDesk, payment: str, flag: str
) -> None:
    desk.submit(csv_file(TRANSACTIONS, payment), "transactions")

    submitted = desk.submit(csv_file(CHARGEBACKS, DISPUTED))

    assert submitted["flags"] == {flag: 1}
    assert cases(desk) == ["c1"]
    assert desk.controls()[0]["flags"] == {flag: 1}
    assert exit_code(submitted) == 0


@pytest.mark.parametrize(
    ("payment", "flag"), [(REFUNDED, "refunded_already"), (FAILED, "failed_payment")]
)
def test_policy_holds_a_flagged_dispute_until_it_is_released(
    desk: FileDesk, payment: str, flag: str
) -> None:
    hold(desk, flag)
    desk.submit(csv_file(TRANSACTIONS, payment), "transactions")

    submitted = desk.submit(csv_file(CHARGEBACKS, DISPUTED, OTHER))

    (wait,) = submitted["waiting"]
    assert (wait["reason"], wait["rows"], exit_code(submitted)) == (flag, 1, 1)
    assert cases(desk) == ["c2"]
    totals = desk.builder.add_up("default-2026-11-20-001", NETWORKS)
    assert batch_breaks(totals) == []
    assert (totals.waiting.rows, totals.waiting.minor) == (1, {"USD": 2500})

    (row,) = WaitingDisputes(desk.world.intake_ledger, desk.world.lake).rows()
    later = desk.world.intake_ledger.release_disputes("default", [row.key], by="ops", why="seen")
    assert later is not None
    desk.deliver(later.batch_id)

    assert cases(desk) == ["c2", "c1"]
    assert WaitingDisputes(desk.world.intake_ledger, desk.world.lake).rows() == []


def release(desk: FileDesk) -> None:
    """Release what waits, and send it."""
    ledger = desk.world.intake_ledger
    rows = WaitingDisputes(ledger, desk.world.lake).rows()
    later = ledger.release_disputes("default", [row.key for row in rows], by="ops", why="seen")
    assert later is not None
    desk.deliver(later.batch_id)


def test_later_step_of_a_released_dispute_is_held_for_another_reason_alone(desk: FileDesk) -> None:
    for flag in ("refunded_already", "failed_payment"):
        hold(desk, flag)
    header = f"{CHARGEBACKS},status"
    desk.submit(csv_file(TRANSACTIONS, REFUNDED), "transactions")
    desk.submit(csv_file(header, f"{DISPUTED},open"))
    release(desk)

    same_reason = desk.submit(csv_file(header, f"{DISPUTED},pending_response"))
    assert ("waiting" in same_reason, cases(desk)) == (False, ["c1", "c1"])
    other_dispute = desk.submit(csv_file(header, f"{DISPUTED.replace('c1', 'c9')},open"))
    assert [wait["reason"] for wait in other_dispute["waiting"]] == ["refunded_already"]

    failed = f"{FAILED},2026-11-18T10:00:00Z"
    desk.submit(csv_file(f"{TRANSACTIONS},updated_at", failed), "transactions")
    other_reason = desk.submit(csv_file(header, f"{DISPUTED},pending"))
    assert [wait["reason"] for wait in other_reason["waiting"]] == ["failed_payment"]
    assert cases(desk) == ["c1", "c1"]


def test_dispute_that_was_held_and_released_is_shown_with_the_file_it_went_into(
    desk: FileDesk,
) -> None:
    hold(desk, "refunded_already")
    desk.submit(csv_file(TRANSACTIONS, REFUNDED), "transactions")
    desk.submit(csv_file(CHARGEBACKS, DISPUTED, OTHER))
    clock = desk.world.clock
    recording = DisputeRecording(DuckDbDisputes(desk.world.lake), FakeDisputeRecords(clock))
    ledger = desk.world.intake_ledger
    evidence = EvidenceService(
        recording, FakeDisputeEvidence(ledger, clock), desk.world.lake, desk.store
    )
    histories = DisputeHistories(
        recording,
        desk.ledger,
        FakeAcknowledgements(),
        ledger,
        NoCredits(),
        desk.world.lake,
        desk.store,
        clock,
        evidence,
    )
    assert histories.of_case(CaseName("c1")).files == []

    release(desk)

    (found,) = histories.of_case(CaseName("c1")).files
    file = found.record
    assert file.batch_id in desk.world.intake_ledger.batches
    assert [line["case_number"] for line in desk.lines()] == ["c2", "c1"]
    others = histories.of_case(CaseName("c2")).files
    assert [other.record.batch_id for other in others] != [file.batch_id]


def test_refund_that_is_known_only_when_the_batch_is_filed_is_found(desk: FileDesk) -> None:
    hold(desk, "refunded_already")
    (intake_id,) = desk.claim_together(csv_file(CHARGEBACKS, DISPUTED))
    assert desk.ingest(intake_id).flags == {"transaction_unknown": 1}
    desk.submit(csv_file(TRANSACTIONS, REFUNDED), "transactions")

    desk.deliver("default-2026-11-20-001")

    assert cases(desk) == []
    (row,) = WaitingDisputes(desk.world.intake_ledger, desk.world.lake).rows()
    assert (row.case_number, row.reason, row.amount_minor) == ("c1", "refunded_already", 2500)


def test_same_money_under_another_case_is_a_duplicate_of_it(desk: FileDesk) -> None:
    desk.submit(csv_file(TRANSACTIONS, PAID), "transactions")
    first = desk.submit(csv_file(CHARGEBACKS, WHOLE))
    hold(desk, "duplicate_case")

    second = desk.submit(csv_file(CHARGEBACKS, TWICE))

    assert (first["flags"], second["flags"]) == ({}, {"duplicate_case": 1})
    assert cases(desk) == ["c1"]
    assert [wait["reason"] for wait in second["waiting"]] == ["duplicate_case"]
    (step,) = DuckDbDisputes(desk.world.lake).steps("other-1")
    assert step.flags == ("duplicate_case",)


def test_later_step_of_the_first_case_is_sent_beside_its_duplicate(desk: FileDesk) -> None:
    hold(desk, "duplicate_case")
    header = f"{CHARGEBACKS},status"
    desk.submit(csv_file(header, f"{WHOLE},open"))
    desk.submit(csv_file(header, f"{TWICE},open"))

    submitted = desk.submit(csv_file(header, f"{WHOLE},pending_response"))

    assert submitted["flags"] == {"transaction_unknown": 1}
    assert cases(desk) == ["c1", "c1"]


def test_equal_parts_that_the_payment_has_room_for_are_no_duplicates(desk: FileDesk) -> None:
    desk.submit(csv_file(TRANSACTIONS, PAID), "transactions")

    submitted = desk.submit(csv_file(CHARGEBACKS, DISPUTED, DISPUTED.replace("c1", "c2")))

    assert submitted["flags"] == {}
    assert cases(desk) == ["c1", "c2"]


def test_later_step_of_a_dispute_is_no_duplicate_of_it(desk: FileDesk) -> None:
    header = f"{CHARGEBACKS},status"
    desk.submit(csv_file(TRANSACTIONS, PAID), "transactions")
    desk.submit(csv_file(header, f"{WHOLE},open"))

    assert desk.submit(csv_file(header, f"{WHOLE},pending_response"))["flags"] == {}


def test_dispute_that_ended_is_not_held(desk: FileDesk) -> None:
    hold(desk, "refunded_already")
    desk.submit(csv_file(TRANSACTIONS, REFUNDED), "transactions")

    submitted = desk.submit(csv_file(f"{CHARGEBACKS},status", f"{DISPUTED},won"))

    assert submitted["flags"] == {"refunded_already": 1}
    assert cases(desk) == ["c1"]


def test_stage_that_ended_is_closed_though_the_dispute_went_on(desk: FileDesk) -> None:
    header = f"{CHARGEBACKS},stage,status,activity_date,reply_by_date"
    lines = (
        f"{DISPUTED},chargeback,won,2026-11-14,2026-12-01",
        f"{DISPUTED},pre_arbitration,open,2026-11-16,2026-12-20",
        f"{OTHER},chargeback,accepted,2026-11-12,",
        f"{OTHER},chargeback,open,2026-11-13,",
    )
    desk.submit(csv_file(header, *lines))

    names = ("case_number", "stage", "status", "action", "reply_by_date")
    assert [tuple(line[name] for name in names) for line in desk.lines()] == [
        ("c1", "chargeback", "won", "close", ""),
        ("c1", "pre_arbitration", "open", "pre_arbitration", "2026-12-20"),
        # Open again at the same stage, with its new clock.
        ("c2", "chargeback", "open", "notify", "2026-12-13"),
    ]
