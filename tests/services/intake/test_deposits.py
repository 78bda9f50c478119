"""Deposits through contract and application, with every port in memory."""

from datetime import UTC, datetime, timedelta

import pytest

from cardops.rules.intake.files import FileStatus
from cardops.rules.programs.programs import Program
from cardops.services.intake.ingestion import (
    MAX_ATTEMPTS,
    AttemptsExhaustedError,
    EarlierFileError,
    ingest_file,
)
from tests.factories.intake_environment import IntakeWorld, csv_file
from tests.fakes.lake import FailingLake

HEADER = "user_id,amount,deposit_id,timestamp,currency"
GOOD = "u1,25.00,d1,2026-11-20T10:00:00Z,USD"


@pytest.mark.parametrize(
    ("line", "reasons"),
    [
        (",25.00,d1,2026-11-20T10:00:00Z,USD", {"missing_field"}),
        ("u1,  ,d1,2026-11-20T10:00:00Z,USD", {"missing_field"}),
        ("u1,25.00,d1", {"malformed_row"}),
        ("u1,25.00,d1,2026-11-20T10:00:00Z,USD,more", {"malformed_row"}),
        ('"u1,25.00,d1,2026-11-20T10:00:00Z,USD', {"malformed_row"}),
        ("u1,25.00,d\0,2026-11-20T10:00:00Z,USD", {"bad_encoding"}),
        ("u 1,25.00,d1,2026-11-20T10:00:00Z,USD", {"invalid_id"}),
        ("u1,25.00,..,2026-11-20T10:00:00Z,USD", {"invalid_id"}),
        (f"u1,25.00,{'d' * 65},2026-11-20T10:00:00Z,USD", {"invalid_id"}),
        ("u1,1e3,d1,2026-11-20T10:00:00Z,USD", {"invalid_amount"}),
        ("u1,+25,d1,2026-11-20T10:00:00Z,USD", {"invalid_amount"}),
        ("u1,٢٥,d1,2026-11-20T10:00:00Z,USD", {"invalid_amount"}),
        ("u1,NaN,d1,2026-11-20T10:00:00Z,USD", {"invalid_amount"}),
        ("u1,-25.00,d1,2026-11-20T10:00:00Z,USD", {"non_positive_amount"}),
        ("u1,0,d1,2026-11-20T10:00:00Z,USD", {"non_positive_amount"}),
        ("u1,25.005,d1,2026-11-20T10:00:00Z,USD", {"too_many_fraction_digits"}),
        ("u1,25.0,d1,2026-11-20T10:00:00Z,JPY", {"too_many_fraction_digits"}),
        ("u1,90071992547409.92,d1,2026-11-20T10:00:00Z,USD", {"amount_out_of_range"}),
        ("u1,25.005,d1,2026-11-20T10:00:00Z,XXQ", {"unknown_currency"}),
        ("u1,25.00,d1,2026-11-20T10:00:00Z,usd", {"unknown_currency"}),
        ("u1,25.00,d1,2026-11-20,USD", {"invalid_timestamp"}),
        ("u1,25.00,d1,2026-02-30T10:00:00Z,USD", {"invalid_timestamp"}),
        ("u1,25.00,d1,2026-11-22T12:00:01Z,USD", {"future_timestamp"}),
        ("u 1,-1,d1,now,ZZZ", {"invalid_id", "non_positive_amount", "unknown_currency", "invalid_timestamp"}),
    ],
)  # fmt: skip
def test_invalid_row_has_all_its_reasons_and_other_rows_are_accepted(
    world: IntakeWorld, line: str, reasons: set[str]
) -> None:
    outcome = world.submit("deposits", csv_file(HEADER, line, GOOD.replace("d1", "d2")))

    assert outcome.reasons == dict.fromkeys(reasons, 1)
    assert (outcome.read, outcome.accepted, outcome.quarantined) == (2, 1, 1)
    assert world.quarantined()[0]["raw"] == line


def test_timestamp_is_in_the_future_only_after_more_than_a_day(world: IntakeWorld) -> None:
    just = (world.clock.now() + timedelta(hours=24)).isoformat()

    assert world.submit("deposits", csv_file(HEADER, f"u1,1,d1,{just},USD")).accepted == 1


def test_deposit_is_credited_and_recorded_in_the_lake(world: IntakeWorld) -> None:
    outcome = world.submit("deposits", csv_file(HEADER, GOOD, "u1,7,d2,2026-11-20T11:00:00,EUR"))

    account = world.deposit_ledger.account("default", "u1", "USD")
    assert account is not None
    assert account.available_minor == 2500
    assert outcome.totals_minor == {"EUR": 700, "USD": 2500}
    assert outcome.flags == {"naive_timestamp": 1}
    rows = world.rows("deposits")
    assert rows["amount_minor"].to_list() == [2500, 700]
    assert rows["flags"].to_list() == [[], ["naive_timestamp"]]
    assert rows["occurred_at"][1] == datetime(2026, 11, 20, 11, tzinfo=UTC)
    assert rows["ledger_seq"].null_count() == 0


def test_same_file_again_counts_only_duplicates(world: IntakeWorld) -> None:
    world.submit("deposits", csv_file(HEADER, GOOD))

    outcome = world.submit("deposits", csv_file(HEADER, GOOD.replace("25.00", "25"), ""))

    assert (outcome.read, outcome.accepted, outcome.duplicate) == (1, 0, 1)
    assert world.rows("deposits").height == 1


def test_same_deposit_with_other_content_conflicts(world: IntakeWorld) -> None:
    outcome = world.submit("deposits", csv_file(HEADER, GOOD, GOOD, GOOD.replace("25.00", "26")))

    assert (outcome.accepted, outcome.duplicate) == (1, 1)
    assert outcome.reasons == {"conflicting_duplicate": 1}
    assert world.quarantined()[0]["raw"] == GOOD.replace("25.00", "26")


def test_repeated_ingestion_counts_the_same_and_replaces_own_lake_file(
    world: IntakeWorld,
) -> None:
    bad = "u1,x,d9,2026-11-20T10:00:00Z,USD"
    first = world.ingest("deposits", csv_file(HEADER, GOOD, GOOD, bad))
    world.submit("deposits", csv_file(HEADER, GOOD))

    again = ingest_file(first.intake_file.intake_id, world.ports)

    assert again.outcome == first.outcome
    assert world.rows("deposits").height == 1


def test_file_killed_after_credit_counts_as_one_that_was_not(world: IntakeWorld) -> None:
    class Dies(Exception):  # noqa: N818 - what a kill looks like to this process
        pass

    def die(*_: object) -> str:
        raise Dies

    write_file = world.lake.write_file
    world.lake.write_file = die  # type: ignore[method-assign, assignment]  # the kill
    with pytest.raises(Dies):
        world.submit("deposits", csv_file(HEADER, GOOD))
    world.lake.write_file = write_file  # type: ignore[method-assign]  # and the next run

    later = world.submit("deposits", csv_file(HEADER, GOOD), name="later.csv")

    assert later.duplicate == 1
    assert world.rows("deposits").height == 1
    first = world.intake_ledger.find(1)
    assert first.outcome is not None
    assert first.outcome.accepted == 1


def test_missing_currency_is_the_programs(world: IntakeWorld) -> None:
    world.programs.create(Program("tokyo", currency="JPY"))

    content = csv_file("depositId,userId,amt,timestamp,colour", "d1,u1,25,2026-11-20T10:00:00Z,x")
    outcome = world.submit("deposits", content, program="tokyo")

    assert outcome.totals_minor == {"JPY": 25}
    assert outcome.unknown_columns == ("colour",)


def test_card_number_does_not_reach_quarantine(world: IntakeWorld) -> None:
    line = "4111 1111 1111 1111,x,4111111111111111,2026-11-20T10:00:00Z,USD"

    world.submit("deposits", csv_file(HEADER, line))

    kept = b"".join(world.failed_store.contents.values())
    assert b"411111******1111" in kept
    assert b"4111111111111111" not in kept
    assert b"4111 1111 1111 1111" not in kept


def test_card_number_in_header_is_masked_everywhere(world: IntakeWorld) -> None:
    outcome = world.submit(
        "deposits", csv_file(f"{HEADER},4111 1111 1111 1111", f"{GOOD},x", "bad")
    )

    assert outcome.unknown_columns == ("411111******1111",)
    assert not [
        content for content in world.failed_store.contents.values() if b"1111 1111" in content
    ]


def test_file_that_fails_every_run_is_marked_dead_and_blocks_no_other(
    world: IntakeWorld,
) -> None:
    world.raw_store.create("incoming/deposits/default/bad.csv", csv_file(HEADER, GOOD).encode())
    intake_id = world.claim("incoming/deposits/default/bad.csv")
    world.intake_ledger.attempts[intake_id] = MAX_ATTEMPTS

    with pytest.raises(AttemptsExhaustedError, match="marked dead"):
        ingest_file(intake_id, world.ports)
    assert world.intake_ledger.find(intake_id).status is FileStatus.DEAD

    assert world.submit("deposits", csv_file(HEADER, GOOD)).accepted == 1


def test_same_file_of_another_program_keeps_quarantine_of_the_first(
    world: IntakeWorld,
) -> None:
    world.programs.create(Program("nippon", currency="JPY"))
    file = csv_file(
        HEADER, GOOD.removesuffix("USD"), GOOD.replace("25.00", "25").replace("d1", "d2")
    )

    first = world.submit("deposits", file, program="nippon")
    second = world.submit("deposits", file, program="default")

    assert (first.quarantined, second.quarantined, second.quarantine_path) == (1, 0, None)
    assert [row["source_file"] for row in world.quarantined()] == ["incoming/deposits/nippon/000/file.csv"]  # fmt: skip


def test_file_behind_a_failing_one_names_it_and_is_ingested_later(
    world: IntakeWorld,
) -> None:
    world.lake = FailingLake(before={1})
    with pytest.raises(OSError, match="no space"):
        world.submit("deposits", csv_file(HEADER, GOOD), name="bad.csv")

    with pytest.raises(EarlierFileError, match=r"file\.csv was not ingested yet.*/bad\.csv"):
        world.submit("deposits", csv_file(HEADER, GOOD))

    world.intake_ledger.attempts[1] = MAX_ATTEMPTS
    assert world.submit("deposits", csv_file(HEADER, GOOD)).duplicate == 1
