"""IntakeLedger on the fake and on PostgreSQL."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event, Thread

import psycopg
import pytest

from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.ports import IntakeLedger
from cardops.rules.intake.files import (
    BatchMissingError,
    DailyCounts,
    FileOutcome,
    FileRecalledError,
    FileStatus,
    IntakeFileMissingError,
    Kind,
)
from tests.factories.intake import A_DAY, an_arrival
from tests.fakes.intake_ledger import FakeIntakeLedger

BUCKET = an_arrival().bucket


@pytest.fixture(params=["fake", pytest.param("postgresql", marks=pytest.mark.database)])
def ledger(request: pytest.FixtureRequest) -> IntakeLedger:
    if request.param == "fake":
        return FakeIntakeLedger()
    return PostgresIntakeLedger(request.getfixturevalue("database_url"))


def test_claimed_file_is_found_as_it_was_claimed(ledger: IntakeLedger) -> None:
    file, is_new = ledger.claim(an_arrival(), A_DAY)

    assert is_new
    assert ledger.find(file.intake_id) == file
    assert (file.arrival, file.business_date) == (an_arrival(), A_DAY)
    assert file.status is FileStatus.CLAIMED


def test_same_content_at_the_same_key_is_claimed_once_and_keeps_its_date(
    ledger: IntakeLedger,
) -> None:
    first, _ = ledger.claim(an_arrival(), A_DAY)
    again, is_new = ledger.claim(an_arrival(), A_DAY + timedelta(days=1))

    assert not is_new
    assert again == first


def test_file_that_is_refused_unread_is_never_unfinished(ledger: IntakeLedger) -> None:
    refused = ledger.refuse(an_arrival(), A_DAY, FileOutcome(error="no such program"))
    judged, _ = ledger.claim(an_arrival(content="judged"), A_DAY)
    ledger.finish(judged.intake_id, FileOutcome(error="cut short", contract_version=1))

    assert (refused.status, refused.attempt_series) == (FileStatus.REFUSED, 1)
    assert ledger.find(refused.intake_id) == refused
    assert ledger.unfinished() == []
    assert ledger.refused_unread(refused.arrival.kind, A_DAY) == [refused]
    assert ledger.refused_unread(refused.arrival.kind, A_DAY + timedelta(days=1)) == []


def test_other_content_or_another_key_is_another_file(ledger: IntakeLedger) -> None:
    arrivals = [an_arrival(), an_arrival(content="other"), an_arrival("incoming/deposits/b.csv")]
    files = [ledger.claim(arrival, A_DAY) for arrival in arrivals]

    assert all(is_new for _, is_new in files)
    assert len({file.intake_id for file, _ in files}) == 3


def test_many_files_are_claimed_at_once_and_only_new_ones_returned(ledger: IntakeLedger) -> None:
    known, _ = ledger.claim(an_arrival("b", version="v1"), A_DAY)
    arrivals = [an_arrival("c"), an_arrival("b", version="v2"), an_arrival("a"), an_arrival("c")]

    claimed = ledger.claim_all(arrivals, A_DAY + timedelta(days=1))

    assert [file.arrival.key for file in claimed] == ["c", "a"]
    assert claimed == [ledger.find(file.intake_id) for file in claimed]
    assert {file.business_date for file in claimed} == {A_DAY + timedelta(days=1)}
    assert ledger.find(known.intake_id).business_date == A_DAY
    assert ledger.known_versions(an_arrival("b").bucket, ["b"]) == {("b", "v2")}
    assert ledger.claim_all([], A_DAY) == ledger.claim_all(arrivals, A_DAY) == []


def test_only_claimed_versions_are_known(ledger: IntakeLedger) -> None:
    ledger.claim(an_arrival("a", version="v1"), A_DAY)
    ledger.claim(an_arrival("b", version="v1"), A_DAY)

    assert ledger.known_versions(BUCKET, ["a", "c"]) == {("a", "v1")}
    assert ledger.known_versions("elsewhere", ["a"]) == set()
    assert ledger.known_versions(BUCKET, []) == set()


def test_same_content_put_again_is_known_under_its_new_version(ledger: IntakeLedger) -> None:
    ledger.claim(an_arrival("a", version="v1"), A_DAY)
    ledger.claim(an_arrival("a", version="v2"), A_DAY)

    assert ("a", "v2") in ledger.known_versions(BUCKET, ["a"])


def test_files_of_a_date_are_in_claim_order(ledger: IntakeLedger) -> None:
    claimed = [ledger.claim(an_arrival(key), A_DAY)[0].intake_id for key in "cab"]
    ledger.claim(an_arrival("other"), A_DAY + timedelta(days=1))
    ledger.claim(an_arrival("order", kind=Kind("orders")), A_DAY)

    found = [file.intake_id for file in ledger.claimed_on(Kind("deposits"), A_DAY)]
    assert found == claimed == sorted(claimed)


def test_counts_of_dates_are_those_of_their_files(ledger: IntakeLedger) -> None:
    later = A_DAY + timedelta(days=2)
    outcomes = {
        "a": (A_DAY, FileOutcome(read=3, accepted=1, quarantined=2, reasons={"invalid_id": 2})),
        "b": (A_DAY, FileOutcome(error="It is empty.")),
        "c": (later, FileOutcome(read=5, accepted=5)),
        "d": (later + timedelta(days=1), FileOutcome(read=7, accepted=7)),
    }
    for key, (day, outcome) in outcomes.items():
        file, _ = ledger.claim(an_arrival(key), day)
        ledger.begin(file.intake_id)
        ledger.finish(file.intake_id, outcome)
    ledger.claim(an_arrival("not begun"), later)
    ledger.claim(an_arrival("order", kind=Kind("orders")), A_DAY)

    assert ledger.daily_counts(Kind("deposits"), A_DAY, later) == [
        DailyCounts(A_DAY, files=2, refused_files=1, read=3, quarantined=2),
        DailyCounts(later, files=2, refused_files=0, read=5, quarantined=0),
    ]


def test_first_business_date_is_that_of_the_first_file_or_program(
    ledger: IntakeLedger,
) -> None:
    today = datetime.now(UTC).date()
    assert ledger.first_business_date() == today

    ledger.claim(an_arrival("a"), A_DAY)
    ledger.claim(an_arrival("b"), A_DAY + timedelta(days=1))

    assert ledger.first_business_date() == A_DAY


def test_file_goes_from_claimed_through_applying_to_applied(ledger: IntakeLedger) -> None:
    file, _ = ledger.claim(an_arrival(), A_DAY)
    outcome = FileOutcome(
        read=3,
        accepted=1,
        duplicate=1,
        quarantined=1,
        reasons={"invalid_amount": 1},
        totals_minor={"USD": 9_007_199_254_740_991},
        unknown_columns=("note",),
    )

    assert [ledger.begin(file.intake_id), ledger.begin(file.intake_id)] == [1, 2]
    assert [f.intake_id for f in ledger.unfinished(Kind("deposits"))] == [file.intake_id]
    ledger.finish(file.intake_id, outcome)

    found = ledger.find(file.intake_id)
    assert (found.status, found.outcome) == (FileStatus.APPLIED, outcome)
    assert ledger.unfinished() == []


def test_outcome_with_an_error_refuses_the_file(ledger: IntakeLedger) -> None:
    file, _ = ledger.claim(an_arrival(), A_DAY)
    ledger.finish(file.intake_id, FileOutcome(error="The file is empty."))

    assert ledger.find(file.intake_id).status is FileStatus.REFUSED


def test_dead_file_is_not_unfinished(ledger: IntakeLedger) -> None:
    dead, _ = ledger.claim(an_arrival("a"), A_DAY)
    alive, _ = ledger.claim(an_arrival("b"), A_DAY)
    ledger.mark(dead.intake_id, FileStatus.DEAD)

    assert [file.intake_id for file in ledger.unfinished()] == [alive.intake_id]
    assert ledger.unfinished(Kind("orders")) == []


def test_unfinished_files_before_another_are_of_its_kind_and_program(
    ledger: IntakeLedger,
) -> None:
    arrivals = [
        an_arrival("incoming/deposits/a.csv", content="a"),
        an_arrival("incoming/deposits/acme/b.csv", content="b", program="acme"),
        an_arrival("incoming/orders/c.csv", content="c", kind=Kind("orders")),
        an_arrival("incoming/deposits/d.csv", content="d"),
        an_arrival("incoming/deposits/e.csv", content="e"),
    ]
    first, *_, fourth, last = (ledger.claim(arrival, A_DAY)[0] for arrival in arrivals)

    assert ledger.unfinished_before(last) == [first, fourth]
    ledger.finish(first.intake_id, FileOutcome())
    assert ledger.unfinished_before(last) == [fourth]
    assert ledger.unfinished_before(fourth) == []


def test_unknown_file_cannot_be_found_or_finished(ledger: IntakeLedger) -> None:
    with pytest.raises(IntakeFileMissingError):
        ledger.find(99)
    with pytest.raises(IntakeFileMissingError):
        ledger.finish(99, FileOutcome())
    with pytest.raises(BatchMissingError):
        ledger.batch("default-2026-03-01-001")
    with pytest.raises(BatchMissingError):
        ledger.batch_mode("default-2026-03-01-001")


def test_batch_gets_the_new_files_of_one_program(ledger: IntakeLedger) -> None:
    arrivals = [an_arrival(key, kind=Kind("chargebacks")) for key in "ab"]
    batch = ledger.claim_batch(arrivals, A_DAY, mode="by_network")

    assert batch is not None
    assert batch.batch_id == "default-2026-03-01-001"
    assert [file.arrival.key for file in batch.files] == ["a", "b"]
    assert {file.batch_id for file in batch.files} == {batch.batch_id}
    assert ledger.batch(batch.batch_id) == batch


def test_known_files_are_not_put_into_a_second_batch(ledger: IntakeLedger) -> None:
    a, b = (an_arrival(key, kind=Kind("chargebacks")) for key in "ab")
    ledger.claim_batch([a], A_DAY, mode="by_network")

    assert ledger.claim_batch([a], A_DAY, mode="by_network") is None
    second = ledger.claim_batch([a, b], A_DAY, mode="by_network")
    assert second is not None
    assert (second.batch_id, len(second.files)) == ("default-2026-03-01-002", 1)


def test_batches_are_numbered_by_program_and_date(ledger: IntakeLedger) -> None:
    here = an_arrival("a", kind=Kind("chargebacks"))
    elsewhere = replace(here, key="b", program="other")
    tomorrow = replace(here, key="c")
    batches = [
        ledger.claim_batch([here], A_DAY, mode="by_network"),
        ledger.claim_batch([elsewhere], A_DAY, mode="size_balanced"),
        ledger.claim_batch([tomorrow], A_DAY + timedelta(days=1), mode="by_network"),
    ]

    assert [batch and batch.batch_id for batch in batches] == [
        "default-2026-03-01-001",
        "other-2026-03-01-001",
        "default-2026-03-02-001",
    ]


def test_no_batch_is_made_without_arrivals(ledger: IntakeLedger) -> None:
    assert ledger.claim_batch([], A_DAY, mode="by_network") is None


def test_second_lock_holder_waits_and_sees_the_current_entry(ledger: IntakeLedger) -> None:
    file, _ = ledger.claim(an_arrival(), A_DAY)
    first_is_in, statuses = Event(), []

    def second() -> None:
        first_is_in.wait()
        with ledger.exclusively(file.intake_id) as fresh:
            statuses.append(fresh.status)

    other = Thread(target=second)
    other.start()
    with ledger.exclusively(file.intake_id):
        first_is_in.set()
        other.join(0.2)
        ledger.finish(file.intake_id, FileOutcome())
        assert statuses == []
    other.join()

    assert statuses == [FileStatus.APPLIED]


def test_rows_wait_for_their_reference_until_released(ledger: IntakeLedger) -> None:
    file, _ = ledger.claim(an_arrival(kind=Kind("chargebacks")), A_DAY)
    later, _ = ledger.claim(an_arrival("later", kind=Kind("chargebacks")), A_DAY)
    ledger.wait_for(file, {7: "txn-1", 3: "txn-1", 4: "txn-2"})

    assert ledger.waiting(Kind("chargebacks"), "default", ["txn-1", "txn-9"]) == {
        file.intake_id: [3, 7]
    }
    assert ledger.waiting(Kind("transactions"), "default", ["txn-1"]) == {}
    assert ledger.waiting(Kind("chargebacks"), "other", ["txn-1"]) == {}
    ledger.released({file.intake_id: [3]}, later.intake_id)
    assert ledger.waiting(Kind("chargebacks"), "default", ["txn-1"]) == {file.intake_id: [7]}


def test_repeated_run_replaces_waiting_rows_but_not_released_ones(ledger: IntakeLedger) -> None:
    file, _ = ledger.claim(an_arrival(kind=Kind("chargebacks")), A_DAY)
    ledger.wait_for(file, {1: "txn-1", 2: "txn-2"})
    ledger.released({file.intake_id: [1]}, 99)
    ledger.wait_for(file, {1: "txn-1", 3: "txn-3"})

    ids = ["txn-1", "txn-2", "txn-3"]
    assert ledger.waiting(Kind("chargebacks"), "default", ids) == {file.intake_id: [3]}
    assert ledger.released_rows(file.intake_id) == {1}


def test_more_ids_than_one_query_holds_are_all_looked_up(ledger: IntakeLedger) -> None:
    file, _ = ledger.claim(an_arrival(kind=Kind("chargebacks")), A_DAY)
    ledger.wait_for(file, {1: "t-0", 2: "t-24999"})

    ids = [f"t-{number}" for number in range(25_000)]
    assert ledger.waiting(Kind("chargebacks"), "default", ids) == {file.intake_id: [1, 2]}


def test_kind_that_is_new_needs_no_migration(ledger: IntakeLedger) -> None:
    arrival = an_arrival("incoming/bank_statements/a.csv", kind=Kind("bank_statements"))

    file, _ = ledger.claim(arrival, A_DAY)

    assert ledger.claimed_on(Kind("bank_statements"), A_DAY) == [file]


@pytest.mark.database
def test_database_refuses_a_malformed_kind(database_url: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        PostgresIntakeLedger(database_url).claim(an_arrival(kind=Kind("no such/kind")), A_DAY)


def test_files_are_found_by_id_key_or_content_within_a_kind(ledger: IntakeLedger) -> None:
    first, _ = ledger.claim(an_arrival("a", content="1"), A_DAY)
    second, _ = ledger.claim(an_arrival("b", content="1", program="acme"), A_DAY)
    ledger.claim(an_arrival("a", kind=Kind("orders"), content="2"), A_DAY)
    kind, content_sha256 = Kind("deposits"), first.arrival.content_sha256

    assert ledger.find_all(kind, intake_id=second.intake_id) == [second]
    assert ledger.find_all(kind, key="a") == [first]
    assert ledger.find_all(kind, content_sha256=content_sha256) == [first, second]
    assert ledger.find_all(kind, content_sha256=content_sha256, program="acme") == [second]
    assert ledger.find_all(kind) == []


def test_files_need_attention_when_quarantined_refused_or_dead(ledger: IntakeLedger) -> None:
    files = [ledger.claim(an_arrival(key), A_DAY)[0] for key in "abcd"]
    quarantined, refused, dead, clean = (file.intake_id for file in files)
    ledger.finish(quarantined, FileOutcome(read=1, quarantined=1))
    ledger.finish(refused, FileOutcome(error="It is empty."))
    ledger.mark(dead, FileStatus.DEAD)
    ledger.finish(clean, FileOutcome(read=1, accepted=1))

    found = [file.intake_id for file in ledger.needing_attention()]

    assert found == [dead, refused, quarantined]
    assert ledger.needing_attention("acme") == []


def test_file_waits_until_all_its_quarantined_rows_were_released(ledger: IntakeLedger) -> None:
    """By hand, or because what a row waited for came; a row that was released both ways counts once."""
    file, other = (ledger.claim(an_arrival(key), A_DAY)[0] for key in "ab")
    ledger.finish(file.intake_id, FileOutcome(read=3, quarantined=3))
    ledger.wait_for(file, {1: "t1", 2: "t2"})

    ledger.released({file.intake_id: [1]}, other.intake_id)
    ledger.released_by_hand(file.intake_id, [1, 3])
    ledger.released_by_hand(file.intake_id, [3])
    assert ledger.release_counts([file.intake_id, other.intake_id]) == {
        file.intake_id: 2,
        other.intake_id: 0,
    }
    assert [found.intake_id for found in ledger.needing_attention()] == [file.intake_id]

    ledger.released_by_hand(file.intake_id, [2])
    assert ledger.needing_attention() == []
    on_demand = ledger.needing_attention(with_released=True)
    assert [found.intake_id for found in on_demand] == [file.intake_id]


def claimed(ledger: IntakeLedger, count: int) -> list[int]:
    arrivals = [an_arrival(f"incoming/{n}.csv", content=f"{n}") for n in range(count)]
    return [ledger.claim(arrival, A_DAY)[0].intake_id for arrival in arrivals]


def test_only_untouched_files_are_ingested_together(ledger: IntakeLedger) -> None:
    first, begun, restarted, done, recalled, last = ids = claimed(ledger, 6)
    same = ledger.claim(an_arrival("incoming/same.csv", content="4"), A_DAY)[0].intake_id
    ledger.begin(begun)
    ledger.restart(restarted)
    ledger.finish(done, FileOutcome())
    ledger.mark(recalled, FileStatus.RECALLED)

    with ledger.together([last, *ids[:-1], same]) as files:
        assert [file.intake_id for file in files] == [first, last]


def test_files_together_are_begun_and_finished_like_one(ledger: IntakeLedger) -> None:
    first, second, third = ids = claimed(ledger, 3)

    ledger.begin_all(ids)
    assert {ledger.find(intake_id).status for intake_id in ids} == {FileStatus.APPLYING}
    ledger.withdraw([third])
    assert ledger.share_lake_file([first, second]) == first
    outcomes = {first: FileOutcome(read=1, accepted=1), second: FileOutcome(read=1, duplicate=1)}
    ledger.finish_all(outcomes)

    files = [ledger.find(intake_id) for intake_id in ids]
    assert [file.outcome for file in files] == [outcomes[first], outcomes[second], None]
    assert [file.lake_file_id for file in files] == [first, first, None]
    assert files[1].lake_name == files[0].lake_name != files[2].lake_name
    assert [file.attempt_series for file in files] == [1, 1, 0]
    with ledger.together(ids) as untouched:
        assert untouched == [files[2]]
    assert ledger.begin(third) == 1


def test_group_with_a_recalled_file_is_not_finished(ledger: IntakeLedger) -> None:
    first, second = ids = claimed(ledger, 2)
    ledger.begin_all(ids)
    ledger.mark(second, FileStatus.RECALLED)

    with pytest.raises(FileRecalledError):
        ledger.finish_all(dict.fromkeys(ids, FileOutcome()))

    assert ledger.find(first).status is FileStatus.APPLYING


@pytest.mark.database
def test_file_that_somebody_works_on_is_left_out_of_a_group(database_url: str) -> None:
    ledger = PostgresIntakeLedger(database_url)
    first, second, third = ids = claimed(ledger, 3)

    with ledger.exclusively(second), ledger.together(ids) as files:
        assert [file.intake_id for file in files] == [first, third]
        with ledger.together(ids) as others:
            assert others == []
