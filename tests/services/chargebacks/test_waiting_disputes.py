"""No dispute is lost without a word: each accepted row is in a file, or listed with the reason."""

from datetime import timedelta
from pathlib import Path

import pytest

from cardops.rules.chargebacks.batch_totals import batch_breaks
from cardops.rules.chargebacks.filing import (
    BatchUnfinishedError,
    RowKey,
    WaitingDispute,
    WaitReason,
)
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.intake.files import FileStatus
from cardops.services.chargebacks.sweep import MAX_WAIT, SWEPT, sweep
from cardops.services.chargebacks.waiting_disputes import WaitingDisputes
from orchestration.cli.commands.submit import exit_code
from tests.factories.chargeback_files import FileDesk
from tests.factories.disputed_files import CHARGEBACKS, DISPUTED
from tests.factories.intake_environment import IntakeWorld, csv_file
from tests.fakes.filed_batches import A_MOMENT
from tests.fakes.notifier import FakeNotifier

FIRST = csv_file(CHARGEBACKS, DISPUTED.replace("c1", "a1").replace("t1", "t9"))
SECOND = csv_file(CHARGEBACKS, *(DISPUTED.replace("c1", f"b{n}") for n in range(4)))


@pytest.fixture
def desk(world: IntakeWorld, tmp_path: Path) -> FileDesk:
    return FileDesk(world, tmp_path)


def cases(desk: FileDesk) -> list[str]:
    return [line["case_number"] for line in desk.lines()]


def waiting(desk: FileDesk) -> list[tuple[str, str]]:
    rows = WaitingDisputes(desk.world.intake_ledger, desk.world.lake).rows()
    return [(row.case_number, row.reason) for row in rows]


def test_rows_of_a_batch_whose_other_file_died_are_filed_when_sent_again(desk: FileDesk) -> None:
    dead, accepted = desk.claim_together(FIRST, SECOND)
    desk.die(dead)
    assert desk.ingest(accepted).accepted == 4

    again = desk.submit(SECOND)

    assert (again["duplicate"], exit_code(again)) == (4, 0)
    assert cases(desk) == ["b0", "b1", "b2", "b3"]
    assert waiting(desk) == []
    assert desk.remarks == ["The files of batch default-2026-11-20-001 were not made; making them."]


def test_file_ingested_because_a_later_one_shares_its_ids_is_filed_too(desk: FileDesk) -> None:
    desk.claim_together(csv_file(CHARGEBACKS, DISPUTED.replace("c1", "a1")))

    desk.submit(SECOND)

    assert sorted(cases(desk)) == ["a1", "b0", "b1", "b2", "b3"]
    assert waiting(desk) == []


def test_repeat_of_rows_that_still_wait_says_so_and_exits_with_one(desk: FileDesk) -> None:
    _, accepted = desk.claim_together(FIRST, SECOND)
    desk.ingest(accepted)

    again = desk.submit(SECOND)

    (wait,) = again["waiting"]
    assert (wait["batch"], wait["reason"], wait["rows"]) == (
        "default-2026-11-20-001",
        "batch_unfinished",
        4,
    )
    assert (again["duplicate"], exit_code(again)) == (4, 1)
    assert waiting(desk) == [(f"b{n}", "batch_unfinished") for n in range(4)]


def test_files_of_an_unfinished_batch_are_not_made(desk: FileDesk) -> None:
    _, accepted = desk.claim_together(FIRST, SECOND)
    desk.ingest(accepted)

    with pytest.raises(BatchUnfinishedError):
        desk.deliver("default-2026-11-20-001")

    assert desk.store.contents == {}


def test_file_that_comes_after_its_batch_was_filed_is_in_a_later_batch(desk: FileDesk) -> None:
    late, accepted = desk.claim_together(FIRST, SECOND)
    desk.ingest(accepted)
    desk.die(late)
    desk.deliver("default-2026-11-20-001")
    made = dict(desk.store.contents)

    desk.world.intake_ledger.restart(late)
    assert waiting(desk) == []
    desk.ingest(late)

    assert desk.world.intake_ledger.find(late).batch_id == "default-2026-11-20-002"
    assert waiting(desk) == [("a1", "files_not_made")]
    for batch_id in ("default-2026-11-20-001", "default-2026-11-20-002"):
        desk.deliver(batch_id)
    assert cases(desk) == ["b0", "b1", "b2", "b3", "a1"]
    assert made.items() <= desk.store.contents.items()
    assert waiting(desk) == []


def test_rows_that_a_dead_file_left_in_the_lake_wait_and_are_in_no_file(desk: FileDesk) -> None:
    dead, accepted = desk.claim_together(FIRST, SECOND)
    for intake_id in (dead, accepted):
        desk.ingest(intake_id)
    desk.die(dead)

    desk.deliver("default-2026-11-20-001")

    assert cases(desk) == ["b0", "b1", "b2", "b3"]
    assert waiting(desk) == [("a1", "file_dead")]
    totals = desk.builder.add_up("default-2026-11-20-001", NETWORKS)
    assert batch_breaks(totals) == []


@pytest.mark.parametrize(
    ("status", "reason"),
    [(FileStatus.HELD, "file_held"), (FileStatus.APPLYING, "file_unfinished")],
)
def test_row_waits_for_its_own_file_first(desk: FileDesk, status: FileStatus, reason: str) -> None:
    (intake_id,) = desk.claim_together(FIRST)
    desk.ingest(intake_id)
    desk.world.intake_ledger.mark(intake_id, status)

    assert waiting(desk) == [("a1", reason)]


def test_slot_that_was_not_built_leaves_its_rows_waiting(desk: FileDesk) -> None:
    amex = DISPUTED.replace("c1", "x1").replace("visa", "amex")
    (intake_id,) = desk.claim_together(csv_file(CHARGEBACKS, DISPUTED, amex))
    desk.ingest(intake_id)

    desk.builder.build("default-2026-11-20-001", ["visa"])

    assert waiting(desk) == [("x1", "files_not_made")]


def test_held_row_waits_until_it_is_released_into_a_later_batch(desk: FileDesk) -> None:
    (intake_id,) = desk.claim_together(SECOND)
    desk.ingest(intake_id)
    ledger, batch_id = desk.world.intake_ledger, "default-2026-11-20-001"
    key = RowKey(intake_id, 2)
    held = WaitingDispute(
        key, "default", batch_id, "visa", "b1", "chargeback", WaitReason.DUPLICATE_CASE, A_MOMENT
    )
    ledger.file_batch(batch_id, [intake_id], held=[held])
    desk.deliver(batch_id)

    assert cases(desk) == ["b0", "b2", "b3"]
    assert waiting(desk) == [("b1", "duplicate_case")]
    assert batch_breaks(desk.builder.add_up(batch_id, NETWORKS)) == []

    later = ledger.release_disputes("default", [key], by="ops", why="no duplicate")
    assert later is not None
    assert waiting(desk) == [("b1", "files_not_made")]
    desk.deliver(later.batch_id)

    assert cases(desk) == ["b0", "b2", "b3", "b1"]
    assert waiting(desk) == []
    assert batch_breaks(desk.builder.add_up(later.batch_id, NETWORKS)) == []
    assert ledger.batch_accounts(A_MOMENT - SWEPT) == []
    assert ledger.release_disputes("default", [key], by="ops", why="again") is None


def test_sweep_alarms_of_rows_that_wait_too_long_and_of_rows_that_are_nowhere(
    desk: FileDesk,
) -> None:
    (made,) = desk.claim_together(SECOND)
    desk.ingest(made)
    desk.deliver("default-2026-11-20-001")
    (unmade,) = desk.claim_together(FIRST)
    desk.ingest(unmade)
    desk.world.intake_ledger.slot_made("default-2026-11-20-001", "visa", 3)
    disputes = WaitingDisputes(desk.world.intake_ledger, desk.world.lake)
    notifier = FakeNotifier()

    early = sweep(disputes, notifier, A_MOMENT)
    assert ([row.case_number for row in early.waiting], early.stuck) == (["a1"], [])
    late = sweep(disputes, FakeNotifier(), A_MOMENT + MAX_WAIT + timedelta(seconds=1))

    assert [row.case_number for row in late.stuck] == ["a1"]
    assert [(found.batch_id, found.missing) for found in late.missing] == [
        ("default-2026-11-20-001", 1)
    ]
    assert [alarm[0] for alarm in notifier.alarms] == [
        "The rows of chargeback batch default-2026-11-20-001 do not add up"
    ]
