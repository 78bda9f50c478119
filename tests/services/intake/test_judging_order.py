"""A file waits only for earlier files that share ids with it; the order of judging is kept."""

from threading import Event, Thread

import pytest

from cardops.rules.intake.files import FileStatus
from cardops.services.intake.ingestion import (
    MAX_ATTEMPTS,
    MAX_FAILED_IN_A_ROW,
    EarlierFileError,
    ingest_file,
    ingest_files,
)
from tests.factories.disputed_files import CHARGEBACKS, DISPUTED, PAID, TRANSACTIONS
from tests.factories.intake_environment import IntakeWorld, csv_file
from tests.fakes.lake import FailingLake

DEPOSITS = "user_id,amount,deposit_id,timestamp"
PAID_IN = "u1,25.00,d1,2026-11-20T10:00:00Z"
# kind -> its header, a row, and one with other ids.
ROWS = {
    "deposits": (DEPOSITS, PAID_IN, PAID_IN.replace("d1", "d2")),
    "transactions": (TRANSACTIONS, PAID, PAID.replace("t1", "t2")),
    "chargebacks": (CHARGEBACKS, DISPUTED, DISPUTED.replace("t1", "t2").replace("c1", "c2")),
}


def dropped(world: IntakeWorld, kind: str, name: str, *lines: str) -> int:
    """A file that is claimed and not ingested."""
    key = f"incoming/{kind}/default/{name}"
    world.raw_store.create(key, csv_file(ROWS[kind][0], *lines).encode())
    return world.claim(key)


@pytest.mark.parametrize("kind", ROWS)
def test_unreadable_file_holds_up_no_other(world: IntakeWorld, kind: str) -> None:
    _, row, _ = ROWS[kind]
    stuck = dropped(world, kind, "stuck.csv", row)
    content = world.raw_store.contents.pop(f"incoming/{kind}/default/stuck.csv")

    first = world.ingest(kind, csv_file(ROWS[kind][0], row))
    assert first.outcome.accepted == 1
    assert world.intake_ledger.find(stuck).status is FileStatus.CLAIMED

    world.raw_store.create(f"incoming/{kind}/default/stuck.csv", content)
    later = ingest_file(stuck, world.ports)
    assert (later.outcome.accepted, later.outcome.duplicate) == (0, 1)
    assert ingest_file(first.intake_file.intake_id, world.ports).outcome == first.outcome
    assert ingest_file(stuck, world.ports).outcome == later.outcome


@pytest.mark.parametrize("kind", ROWS)
def test_stuck_file_holds_up_only_files_with_its_ids(world: IntakeWorld, kind: str) -> None:
    header, row, other = ROWS[kind]
    world.lake = FailingLake(before={1})
    stuck = dropped(world, kind, "stuck.csv", row)
    with pytest.raises(OSError, match="no space"):
        ingest_file(stuck, world.ports)

    assert world.submit(kind, csv_file(header, other)).accepted == 1
    with pytest.raises(EarlierFileError, match=r"has ids of .*stuck\.csv"):
        world.submit(kind, csv_file(header, row))

    world.lake.before.clear()
    waiting = max(world.intake_ledger.files)
    assert ingest_file(waiting, world.ports).outcome.duplicate == 1
    assert world.intake_ledger.find(stuck).status is FileStatus.APPLIED


@pytest.mark.parametrize("kind", ROWS)
def test_earlier_file_with_the_same_ids_is_ingested_first(world: IntakeWorld, kind: str) -> None:
    header, row, other = ROWS[kind]
    earlier, unrelated = dropped(world, kind, "a.csv", row), dropped(world, kind, "b.csv", other)

    assert world.submit(kind, csv_file(header, row)).duplicate == 1

    assert world.intake_ledger.find(earlier).status is FileStatus.APPLIED
    assert world.intake_ledger.find(unrelated).status is FileStatus.CLAIMED


def test_waiting_for_another_file_is_no_attempt(world: IntakeWorld) -> None:
    world.lake = FailingLake(before={1})
    stuck = dropped(world, "transactions", "stuck.csv", PAID)
    waiting = dropped(world, "transactions", "waiting.csv", PAID)

    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(EarlierFileError):
            ingest_file(waiting, world.ports)

    assert world.intake_ledger.attempts == {stuck: MAX_ATTEMPTS, waiting: 0}
    assert ingest_file(waiting, world.ports).outcome.accepted == 1
    assert world.intake_ledger.find(stuck).status is FileStatus.DEAD


def test_run_goes_on_after_a_file_that_fails_and_tries_it_once(world: IntakeWorld) -> None:
    world.lake = FailingLake(before={1})
    names = ("stuck", "same", "same again", "other")
    rows = (PAID, PAID, PAID, ROWS["transactions"][2])
    ids = [
        dropped(world, "transactions", f"{name}.csv", row)
        for name, row in zip(names, rows, strict=True)
    ]
    files = [world.intake_ledger.find(intake_id) for intake_id in ids]

    with pytest.raises(OSError, match="no space") as raised:
        ingest_files(files, [], world.ports)

    assert [note.partition(" ")[0] for note in raised.value.__notes__] == [
        "incoming/transactions/default/same.csv",
        "incoming/transactions/default/same",
    ]
    assert world.intake_ledger.find(ids[3]).status is FileStatus.APPLIED
    assert world.intake_ledger.attempts[ids[0]] == 1


def test_run_stops_where_every_file_fails(world: IntakeWorld) -> None:
    ids = [
        dropped(world, "transactions", f"{number}.csv", PAID.replace("t1", f"t{number}"))
        for number in range(MAX_FAILED_IN_A_ROW + 2)
    ]
    world.lake = FailingLake(before=set(ids))

    with pytest.raises(OSError, match="no space"):
        ingest_files([], ids, world.ports)

    assert sum(world.intake_ledger.attempts.values()) == MAX_FAILED_IN_A_ROW


@pytest.mark.parametrize("kind", ROWS)
def test_file_is_ingested_while_an_earlier_one_is_under_way(world: IntakeWorld, kind: str) -> None:
    header, row, other = ROWS[kind]
    world.lake = lake = FailingLake()
    started, go_on = Event(), Event()
    write_file = lake.write_file

    def slow_write(table, business_date, name, parquet):  # type: ignore[no-untyped-def]
        if int(name) == 1:
            started.set()
            assert go_on.wait(10)
        return write_file(table, business_date, name, parquet)

    lake.write_file = slow_write  # type: ignore[method-assign]
    earlier = dropped(world, kind, "slow.csv", row)
    thread = Thread(target=ingest_file, args=(earlier, world.ports))
    thread.start()
    assert started.wait(10)

    outcome = world.submit(kind, csv_file(header, other))
    status = world.intake_ledger.find(earlier).status
    go_on.set()
    thread.join()

    assert (outcome.accepted, status) == (1, FileStatus.APPLYING)
    assert world.intake_ledger.find(earlier).status is FileStatus.APPLIED
