"""FiledBatches on the fake and on PostgreSQL."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest

from cardops.adapters.postgresql.chargebacks.filed_batches import move_to_later_batch
from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.ports import IntakeLedger
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.filing import (
    BatchUnfinishedError,
    Release,
    RowKey,
    WaitingDispute,
    WaitReason,
)
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.intake.files import ChargebackBatch, FileOutcome, FileStatus, Kind
from cardops.rules.programs.programs import Program
from tests.factories.intake import A_DAY, an_arrival
from tests.fakes.intake_ledger import FakeIntakeLedger

CHARGEBACKS = Kind("chargebacks")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["fake", pytest.param("postgresql", marks=pytest.mark.database)])
def ledger(request: pytest.FixtureRequest) -> IntakeLedger:
    if request.param == "fake":
        return FakeIntakeLedger()
    return PostgresIntakeLedger(request.getfixturevalue("database_url"))


def claimed(ledger: IntakeLedger, *keys: str) -> ChargebackBatch:
    arrivals = [an_arrival(key, kind=CHARGEBACKS) for key in keys]
    batch = ledger.claim_batch(arrivals, A_DAY, mode="by_network")
    assert batch is not None
    return batch


def apply(ledger: IntakeLedger, intake_id: int, accepted: int = 3) -> None:
    ledger.begin(intake_id)
    ledger.finish(intake_id, FileOutcome(read=accepted, accepted=accepted))


def held(batch: ChargebackBatch, row_number: int) -> WaitingDispute:
    return WaitingDispute(
        RowKey(batch.files[0].intake_id, row_number),
        "default",
        batch.batch_id,
        "visa",
        f"c{row_number}",
        "chargeback",
        WaitReason.FAILED_PAYMENT,
        datetime.now(UTC),
    )


def test_batch_is_filed_once_with_the_files_that_are_applied(ledger: IntakeLedger) -> None:
    batch = claimed(ledger, "a", "b")
    first, second = (file.intake_id for file in batch.files)
    apply(ledger, first)
    with pytest.raises(BatchUnfinishedError):
        ledger.file_batch(batch.batch_id, [first])
    ledger.mark(second, FileStatus.DEAD)

    with ledger.filing(batch.batch_id):
        filed = ledger.file_batch(batch.batch_id, [first], layouts={"visa": 2})

    assert [file.intake_id for file in filed.filed_files] == [first]
    assert filed.filed_at is not None
    assert filed.layouts == {"visa": 2}
    assert ledger.file_batch(batch.batch_id, []) == filed


def test_file_that_is_begun_after_its_batch_was_filed_moves_on(ledger: IntakeLedger) -> None:
    batch = claimed(ledger, "a", "b")
    first, second = (file.intake_id for file in batch.files)
    apply(ledger, first)
    ledger.mark(second, FileStatus.DEAD)
    ledger.file_batch(batch.batch_id, [first])

    ledger.restart(second)
    apply(ledger, second)
    apply(ledger, first)  # a repeat changes nothing

    assert ledger.find(first).batch_id == batch.batch_id
    assert ledger.find(second).batch_id == "default-2026-03-01-002"
    later = ledger.batch("default-2026-03-01-002")
    assert (later.mode, later.business_date) == (batch.mode, batch.business_date)
    assert [file.intake_id for file in later.files] == [second]


def test_batch_is_open_until_its_four_slots_are_made(ledger: IntakeLedger) -> None:
    batch = claimed(ledger, "a")
    apply(ledger, batch.files[0].intake_id)
    ledger.file_batch(batch.batch_id, [batch.files[0].intake_id])
    for slot in NETWORKS:
        assert [found.batch_id for found in ledger.open_batches("default")] == [batch.batch_id]
        ledger.slot_made(batch.batch_id, slot, 3 if slot == "visa" else 0)

    assert ledger.open_batches() == []
    assert ledger.open_batches("other") == []
    assert ledger.batch_accounts(LONG_AGO) == []


def test_made_batch_is_open_while_a_file_of_it_is_dead(ledger: IntakeLedger) -> None:
    batch = claimed(ledger, "a")
    ledger.mark(batch.files[0].intake_id, FileStatus.DEAD)
    ledger.file_batch(batch.batch_id, [])
    for slot in NETWORKS:
        ledger.slot_made(batch.batch_id, slot, 0)

    assert [found.batch_id for found in ledger.open_batches()] == [batch.batch_id]
    assert set(ledger.ended_at([batch.files[0].intake_id])) == {batch.files[0].intake_id}


def test_batch_that_accounts_for_other_rows_than_accepted_is_found(ledger: IntakeLedger) -> None:
    batch = claimed(ledger, "a")
    apply(ledger, batch.files[0].intake_id)
    ledger.file_batch(batch.batch_id, [batch.files[0].intake_id], held=[held(batch, 1)])
    for slot in NETWORKS:
        ledger.slot_made(batch.batch_id, slot, int(slot == "visa"))

    (account,) = ledger.batch_accounts(LONG_AGO)

    assert (account.accepted, account.carried, account.made, account.waiting) == (3, 0, 1, 1)
    assert account.missing == 1
    assert ledger.batch_accounts(datetime.now(UTC) + timedelta(minutes=1)) == []


def test_released_rows_are_carried_into_one_later_batch(ledger: IntakeLedger) -> None:
    batch = claimed(ledger, "a")
    apply(ledger, batch.files[0].intake_id)
    rows = [held(batch, number) for number in (1, 2, 3)]
    ledger.file_batch(batch.batch_id, [batch.files[0].intake_id], held=rows)
    keys = [row.key for row in rows]
    assert [row.key for row in ledger.held_disputes("default")] == keys
    assert ledger.held_disputes("other") == []

    later = ledger.release_disputes("default", keys[:2], by="ops", why="seen")

    assert later is not None
    assert (later.mode, later.files) == ("by_network", ())
    carried = ledger.carried_rows(later.batch_id)
    assert [(row.key, row.business_date) for row in carried] == [(key, A_DAY) for key in keys[:2]]
    assert [row.key for row in ledger.held_disputes()] == keys[2:]
    assert list(ledger.waiting_rows_of(batch.batch_id)) == keys
    assert ledger.release_disputes("default", keys[:2], by="ops", why="again") is None
    assert ledger.release_disputes("other", keys, by="ops", why="not theirs") is None
    released = [Release("visa", f"c{n}", "failed_payment", later.batch_id) for n in (1, 2)]
    assert list(ledger.dispute_releases("default", ["c1", "c2", "c3"])) == released
    assert (
        ledger.dispute_releases("default", ["c3"]),
        ledger.dispute_releases("other", ["c1"]),
    ) == (
        [],
        [],
    )


def test_waits_of_a_dispute_follow_it_into_later_batches(ledger: IntakeLedger) -> None:
    batch = claimed(ledger, "a")
    apply(ledger, batch.files[0].intake_id)
    rows = [held(batch, number) for number in (1, 2)]
    ledger.file_batch(batch.batch_id, [batch.files[0].intake_id], held=rows)
    later = ledger.release_disputes("default", [rows[0].key], by="ops", why="seen")
    assert later is not None
    again = replace(rows[0], batch_id=later.batch_id, reason=WaitReason.REJECTED)
    ledger.file_batch(later.batch_id, [], held=[again])
    key = DisputeKey("default", "visa", "c1")

    first, second = ledger.waits_of(key, [batch.batch_id])

    assert (first.reason, first.is_over, first.released_to) == (
        "failed_payment",
        True,
        later.batch_id,
    )
    assert (first.released_by, first.release_reason) == ("ops", "seen")
    assert (second.batch_id, second.reason, second.is_over) == (later.batch_id, "rejected", False)
    assert ledger.waits_of(DisputeKey("default", "amex", "c1"), [batch.batch_id]) == []
    assert ledger.waits_of(key, ["default-2026-11-20-9"]) == []


@pytest.mark.database
def test_last_policy_and_last_layout_are_in_force(request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("database_url")
    for ledger in (FakeIntakeLedger(), PostgresIntakeLedger(url)):
        if isinstance(ledger, PostgresIntakeLedger):
            PostgresPrograms(url).create(Program("default"))
        assert ledger.dispute_policies("default") == {}
        for policy in ("hold", "send", "hold"):
            ledger.set_dispute_policy("default", "failed_payment", policy, set_by="ops")
        ledger.set_dispute_policy("default", "duplicate_case", "send", set_by="ops")

        assert ledger.dispute_policies("default") == {
            "failed_payment": "hold",
            "duplicate_case": "send",
        }
        assert ledger.dispute_policies("other") == {}

        assert ledger.layouts_in_force("default") == {}
        definitions = ({"columns": []}, None, {"columns": [1]})
        versions = [
            ledger.add_layout("default", "visa", definition, set_by="ops", why="a partner")
            for definition in definitions
        ]
        ledger.add_layout("default", "amex", {"columns": []}, set_by="ops", why="a partner")
        ledger.add_layout("default", "amex", None, set_by="ops", why="no partner")

        assert versions == [1, 2, 3]
        assert ledger.layouts_in_force("default") == {"visa": 3}
        stored = ledger.layouts("default", "visa")
        assert [layout.definition for layout in stored] == list(definitions)
        assert len(ledger.layouts("default")) == 5
        assert ledger.layouts("other") == []


@pytest.mark.database
def test_file_begun_while_its_batch_is_filed_waits_for_it(database_url: str) -> None:
    ledger = PostgresIntakeLedger(database_url)
    batch = claimed(ledger, "a", "b")
    first, second = (file.intake_id for file in batch.files)
    apply(ledger, first)
    ledger.mark(second, FileStatus.DEAD)
    refusals = list[BatchUnfinishedError]()

    def file() -> None:
        try:
            ledger.file_batch(batch.batch_id, [first])
        except BatchUnfinishedError as error:
            refusals.append(error)

    filing = Thread(target=file)
    with connect(database_url) as session, session.transaction():
        move_to_later_batch(session, second)
        filing.start()
        filing.join(0.3)
        session.execute(
            "update intake_files set status = 'applying' where intake_id = %s", [second]
        )
    filing.join()

    # Filed without it, the file would be in no batch's files for good.
    assert len(refusals) == 1
    assert ledger.batch(batch.batch_id).filed_at is None


@pytest.mark.database
def test_file_begun_while_its_batch_was_filed_is_in_a_later_one(database_url: str) -> None:
    ledger = PostgresIntakeLedger(database_url)
    batch = claimed(ledger, "a", "b")
    first, second = (file.intake_id for file in batch.files)
    apply(ledger, first)
    ledger.mark(second, FileStatus.DEAD)
    beginning = Thread(target=lambda: apply(ledger, second))
    with connect(database_url) as session, session.transaction():
        session.execute(
            "select from chargeback_batches where batch_id = %s for update", [batch.batch_id]
        )
        beginning.start()
        beginning.join(0.3)
        session.execute(
            "update chargeback_batches set filed_at = now() where batch_id = %s", [batch.batch_id]
        )
    beginning.join()

    assert ledger.find(second).batch_id == "default-2026-03-01-002"
