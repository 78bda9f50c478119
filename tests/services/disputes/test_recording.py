"""What operators record: once, audited, and only where it is legal."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest

from cardops.adapters.postgresql.chargebacks.dispute_records import PostgresDisputeRecords
from cardops.ports import DisputeRecords
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.queue import (
    DisputeRecord,
    DisputeRefusedError,
    Opening,
    RecordKind,
    RecordRequest,
    decision_of,
    owner_of,
)
from cardops.services.disputes.recording import DisputeNotFoundError, UnclearRecordError
from tests.factories.dispute_queues import QueueWorld, a_step
from tests.fakes.disputes import FakeDisputeRecords


@pytest.fixture
def world() -> QueueWorld:
    world = QueueWorld()
    world.put("c1", reply_by_on=date(2026, 11, 25), clock="feed")
    world.put("won", status="won")
    return world


def test_asking_twice_records_once(world: QueueWorld) -> None:
    for kind in (RecordKind.NOTE, RecordKind.CLOSE, RecordKind.REOPEN, RecordKind.ACCEPT):
        first, second = (world.record("c1", kind) for _ in range(2))
        assert (first[1], second[1]) == (True, False)
        assert first[0] == second[0]

    records = world.records.of_dispute(DisputeKey("default", "visa", "c1"))
    assert [record.number for record in records] == [1, 2, 3, 4]
    assert {(record.request.recorded_by, record.request.text) for record in records} == {
        ("ann", "a reason")
    }


def test_owner_is_the_last_one_assigned(world: QueueWorld) -> None:
    for owner, is_new in (("bea", True), ("bea", False), (None, True), ("carl", True)):
        assert world.record("c1", RecordKind.ASSIGN, owner=owner, text="")[1] is is_new
    records = world.records.of_dispute(DisputeKey("default", "visa", "c1"))

    assert owner_of(records) == "carl"


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        (RecordKind.ACCEPT, RecordKind.CLOSE, "was accepted by ann on 2026-11-20"),
        (RecordKind.CLOSE, RecordKind.ACCEPT, "`cardops disputes reopen c1` takes that back"),
        (RecordKind.ACCEPT, RecordKind.REOPEN, "may have gone to the card company already"),
        (RecordKind.NOTE, RecordKind.REOPEN, "is not closed"),
        (RecordKind.CLOSE, RecordKind.ASSIGN, "was closed by ann"),
    ],
)
def test_contradicting_decision_is_refused(
    world: QueueWorld, first: RecordKind, second: RecordKind, sentence: str
) -> None:
    world.record("c1", first)

    with pytest.raises(DisputeRefusedError, match=sentence):
        world.record("c1", second, owner="bea")


@pytest.mark.parametrize("first", [RecordKind.ACCEPT, RecordKind.CLOSE])
def test_decision_about_an_earlier_opening_hinders_nothing(first: RecordKind) -> None:
    world = QueueWorld()
    world.tell(a_step("c1", activity="2026-11-12"))
    world.record("c1", first)
    world.tell(a_step("c1", activity="2026-11-14", status="won"))
    world.tell(a_step("c1", activity="2026-11-16"))

    with pytest.raises(DisputeRefusedError, match="is not closed"):
        world.record("c1", RecordKind.REOPEN)
    assert world.record("c1", RecordKind.ASSIGN, owner="bea")[1]
    assert world.record("c1", RecordKind.ACCEPT)[1]
    assert world.cases() == {"to_answer": [], "undated": [], "overdue": []}


@pytest.mark.parametrize("kind", [RecordKind.ACCEPT, RecordKind.CLOSE, RecordKind.ASSIGN])
def test_ended_dispute_takes_notes_alone(world: QueueWorld, kind: RecordKind) -> None:
    with pytest.raises(DisputeRefusedError, match=r"Dispute won has ended \(won\)"):
        world.record("won", kind, owner="bea")

    assert world.record("won", RecordKind.NOTE)[1]


def test_dispute_is_not_accepted_where_no_network_allows_it(world: QueueWorld) -> None:
    world.put("c2", stage="representment")

    with pytest.raises(DisputeRefusedError, match="wait for the card company's answer"):
        world.record("c2", RecordKind.ACCEPT)


def test_case_of_several_disputes_is_named_by_program_and_network(world: QueueWorld) -> None:
    world.put("c1", program="acme")

    with pytest.raises(DisputeNotFoundError, match="acme/visa, default/visa"):
        world.record("c1", RecordKind.NOTE)
    with pytest.raises(DisputeNotFoundError, match="No dispute has the case number c9"):
        world.record("c9", RecordKind.NOTE)


@pytest.mark.parametrize("text", ["", "  ", "x" * 2001, "a\x1bb"])
def test_unreadable_note_is_refused(world: QueueWorld, text: str) -> None:
    with pytest.raises(UnclearRecordError, match="nothing was recorded"):
        world.record("c1", RecordKind.NOTE, text=text)


def a_request(
    kind: RecordKind, *, case: str = "c1", number: int = 1, owner: str | None = None
) -> RecordRequest:
    opening = Opening(DisputeKey("default", "visa", case), "chargeback", number)
    return RecordRequest(kind, opening, "ann", "why", owner)


@pytest.mark.database
@pytest.mark.parametrize("store", ["fake", "postgresql"])
def test_stores_keep_every_record(store: str, database_url: str) -> None:
    records: DisputeRecords = (
        FakeDisputeRecords() if store == "fake" else PostgresDisputeRecords(database_url)
    )
    requests = [
        a_request(RecordKind.ASSIGN, owner="bea"),
        a_request(RecordKind.ASSIGN, owner="carl"),
        a_request(RecordKind.NOTE),
        a_request(RecordKind.CLOSE),
        a_request(RecordKind.REOPEN, number=2),
        a_request(RecordKind.ACCEPT, case="c2"),
    ]
    added = [records.add(request, lambda _: None)[0] for request in requests]

    assert [record.request for record in added] == requests
    assert list(records.of_dispute(added[0].request.opening.dispute)) == added[:5]
    standing = sorted(records.standing(), key=lambda record: (record.request.opening, record.kind))
    assert [record.request for record in standing] == [requests[1], requests[4], requests[5]]
    if store == "postgresql":
        assert abs(added[0].recorded_at - datetime.now(UTC)) < timedelta(hours=1)
    assert records.add(requests[0], lambda found: found[0]) == (added[0], False)
    assert decision_of(added[:4], requests[3].opening) == added[3]


@pytest.mark.database
def test_two_people_at_once_decide_one_after_the_other(module_database_url: str) -> None:
    records = PostgresDisputeRecords(module_database_url)

    def close_once(found: object) -> DisputeRecord | None:
        assert isinstance(found, list)
        return found[-1] if found else None

    with ThreadPoolExecutor(8) as pool:
        added = list(
            pool.map(
                lambda _: records.add(a_request(RecordKind.CLOSE, case="at-once"), close_once),
                range(8),
            )
        )

    assert sum(is_new for _, is_new in added) == 1
