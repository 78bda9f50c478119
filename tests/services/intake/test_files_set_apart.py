"""Small files of one run that something sets apart are ingested by themselves, the others together."""

import pytest

from cardops.rules.intake.files import FileStatus, RowReason
from cardops.rules.intake.source_controls import SourcePolicy
from cardops.services.intake.ingestion import EarlierFileError, ingest_file
from tests.factories import dispute_reports as reports
from tests.factories.disputed_files import PAID, TRANSACTIONS
from tests.factories.intake_environment import IntakeWorld, csv_file
from tests.factories.small_files import (
    DEPOSITS,
    INSTANTS,
    arrived,
    files_of,
    shared_lake_files,
    together,
)
from tests.fakes.lake import FailingLake


def test_failing_lake_costs_only_the_file_that_fails() -> None:
    world = IntakeWorld(lake=FailingLake(before={1}))
    contents = [("csv", csv_file(DEPOSITS, f"u1,1,d{n},{INSTANTS[0]}").encode()) for n in range(3)]
    intake_ids = arrived(world, "deposits", contents)

    with pytest.raises(OSError, match="no space"):
        together(world, intake_ids)
    world.lake.before.clear()
    assert [file.status for file in files_of(world)][1:] == [FileStatus.APPLIED] * 2
    together(world, intake_ids)

    assert world.rows("deposits")["deposit_id"].to_list() == ["d0", "d1", "d2"]
    assert {file.status for file in files_of(world)} == {FileStatus.APPLIED}


@pytest.mark.parametrize("kind", ["deposits", "transactions"])
def test_files_behind_a_stuck_one_wait_and_the_others_go_on(kind: str) -> None:
    world = IntakeWorld(lake=FailingLake(before={1}))
    if kind == "deposits":
        header, line = DEPOSITS, f"u1,1,d1,{INSTANTS[0]}"
    else:
        header, line = TRANSACTIONS, PAID
    ids = ("1", "2", "3", "1", "4")
    contents = [("csv", csv_file(header, line.replace("1,", f"{n},")).encode()) for n in ids]
    stuck, *intake_ids = arrived(world, kind, contents)
    with pytest.raises(OSError, match="no space"):
        ingest_file(stuck, world.ports)

    with pytest.raises(EarlierFileError):
        together(world, intake_ids)

    statuses = {file.intake_id: file.status for file in files_of(world)}
    assert statuses.pop(4) is FileStatus.APPLYING
    assert list(statuses.values()) == [FileStatus.APPLYING, *[FileStatus.APPLIED] * 3]
    # Rows that were judged before are found in the turn only: then no file is in a group.
    assert shared_lake_files(world) == ({2} if kind == "deposits" else set())


def test_file_with_a_control_file_is_looked_at_by_itself() -> None:
    world = IntakeWorld()
    contents = [("csv", csv_file(DEPOSITS, f"u1,1,d{n},{INSTANTS[0]}").encode()) for n in range(4)]
    intake_ids = arrived(world, "deposits", contents)
    key = world.intake_ledger.find(intake_ids[1]).arrival.key
    world.raw_store.create(f"{key}.ctl.json", b'{"rows": 2}')

    together(world, intake_ids)

    statuses = [file.status for file in files_of(world)]
    assert statuses.count(FileStatus.APPLIED) == 3
    assert statuses[1] is FileStatus.REFUSED
    assert shared_lake_files(world) == {1}


def test_file_above_the_cap_is_held_and_the_others_are_credited() -> None:
    world = IntakeWorld()
    policy = SourcePolicy(caps_minor={"USD": 1_000})
    world.source_controls.set_policy("default", policy, "ops")
    amounts = ("10.00", "10.01", "1.00")
    contents = [
        ("csv", csv_file(DEPOSITS, f"u1,{amount},d{n},{INSTANTS[0]}").encode())
        for n, amount in enumerate(amounts)
    ]

    together(world, arrived(world, "deposits", contents))

    assert [file.status.value for file in files_of(world)] == ["applied", "held", "applied"]
    assert shared_lake_files(world) == {1}
    passed = [world.source_controls.state(file).is_passed for file in files_of(world)]
    assert passed == [True, False, True]


def test_deposit_beyond_the_largest_balance_takes_the_group_apart() -> None:
    largest = "90071992547409.91"
    lines = [f"u1,{largest},d{n},{INSTANTS[0]}" for n in range(1026)]
    contents = [
        ("csv", csv_file(DEPOSITS, *lines).encode()),
        ("csv", csv_file(DEPOSITS, f"u1,1.00,d1025,{INSTANTS[0]}").encode()),
    ]
    world = IntakeWorld()

    together(world, arrived(world, "deposits", contents))

    outcomes = [file.outcome for file in files_of(world)]
    assert outcomes[0].reasons == {RowReason.AMOUNT_OUT_OF_RANGE: 2}
    assert outcomes[1].accepted == 1


def test_group_of_unreadable_files_is_left_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    world = IntakeWorld()

    together(world, arrived(world, "deposits", [("csv", b"a,b\n1,2\n"), ("csv", b"")]))

    assert {file.status for file in files_of(world)} == {FileStatus.REFUSED}
    assert (shared_lake_files(world), caplog.messages) == (set(), [])


def test_reports_whose_rows_replace_each_other_are_ingested_one_by_one() -> None:
    def report(case: str) -> bytes:
        rows = [
            reports.a_jpmorgan_row(
                Category=category,
                Dispute_Transaction_Sequence_Number=case,
                Activity_Date=f"11/0{day}/2026",
            )
            for category, day in (("RTM", 3), ("RECD", 2))
        ]
        return f"{reports.report(reports.JPMORGAN_DETAILS, *rows)}\n".encode()

    world = IntakeWorld()
    intake_ids = arrived(world, "chargebacks", [("csv", report("1")), ("csv", report("2"))])

    together(world, intake_ids)

    outcomes = [world.intake_ledger.find(intake_id).outcome for intake_id in intake_ids]
    assert [outcome and (outcome.accepted, outcome.duplicate) for outcome in outcomes] == [
        (1, 1)
    ] * 2
    assert world.rows("chargebacks")["status"].to_list() == ["pending_response"] * 2


def test_file_that_was_judged_before_is_finished_and_the_group_goes_on() -> None:
    lake = FailingLake(before={1})
    world = IntakeWorld(lake=lake)
    lines = [PAID, *(PAID.replace("t1", f"t{n}") for n in (2, 1, 3))]
    contents = [("csv", csv_file(TRANSACTIONS, line).encode()) for line in lines]
    judged, *intake_ids = arrived(world, "transactions", contents)
    with pytest.raises(OSError, match="no space"):
        ingest_file(judged, world.ports)
    lake.before.clear()

    together(world, intake_ids)

    assert {file.status for file in files_of(world)} == {FileStatus.APPLIED}
    outcomes = [file.outcome for file in files_of(world)]
    assert [outcome and outcome.accepted for outcome in outcomes] == [1, 1, 0, 1]
    assert shared_lake_files(world) == {2}
