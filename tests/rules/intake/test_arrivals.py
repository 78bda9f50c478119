"""What a key under incoming/ says: program, refusal, and whether the file is complete."""

from datetime import UTC, datetime

import pytest

from cardops.rules.intake.arrivals import is_settled, is_temporary, place_of, submitted_key
from cardops.rules.intake.files import Kind
from cardops.rules.intake.objects import ObjectStat

PROGRAMS = {"default", "acme"}


@pytest.mark.parametrize(
    ("key", "program"),
    [
        ("incoming/deposits/a.csv", "default"),
        ("incoming/deposits/acme/a.csv", "acme"),
        ("incoming/deposits/acme/2026/11/a.ndjson.gz", "acme"),
        ("incoming/deposits/acme/A.PARQUET", "acme"),
        ("incoming/deposits/default/a.json", "default"),
    ],
)
def test_first_folder_is_the_program(key: str, program: str) -> None:
    placement = place_of(key, Kind("deposits"), PROGRAMS)

    assert (placement.program, placement.error) == (program, None)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("incoming/deposits/other/a.csv", "No program 'other' is registered"),
        ("incoming/deposits/2026-11-20/a.csv", "No program '2026-11-20' is registered"),
        ("incoming/deposits/Über uns/a.csv", "is not a valid program name"),
        ("incoming/deposits/acme/a.txt", "a.txt was not read"),
        ("incoming/deposits/acme/a.csv.zip", "a.csv.zip was not read"),
        ("incoming/deposits/csv", "csv was not read"),
    ],
)
def test_file_in_a_wrong_folder_is_refused(key: str, words: str) -> None:
    error = place_of(key, Kind("deposits"), PROGRAMS).error

    assert error is not None
    assert words in error


@pytest.mark.parametrize("name", [".a.csv.Xy12", "a.csv.part", "a.csv.filepart", "a.tmp", "a.csv~"])
def test_temporary_transfer_name_is_recognised(name: str) -> None:
    assert is_temporary(f"incoming/deposits/{name}")
    assert not is_temporary("incoming/deposits/.folder/a.csv")


def test_file_is_complete_when_put_whole_or_unchanged_over_two_polls() -> None:
    written = ObjectStat("a", 1, "v1", datetime(2026, 1, 1, tzinfo=UTC), is_whole=False)
    renamed = ObjectStat("b", 1, "v1", datetime(2026, 1, 1, tzinfo=UTC), is_whole=True)

    assert is_settled(renamed, {})
    assert not is_settled(written, {})
    assert not is_settled(written, {"a": "v0"})
    assert is_settled(written, {"a": "v1"})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("day 1.csv", "day_1-m.csv"),
        ("Day.NDJSON.GZ", "Day-m.ndjson.gz"),
        ("../../x.json", "x-m.json"),
        ("ä.csv", "file-m.csv"),
        ("notes.txt", "notes-m.txt"),
        ("n" * 300 + ".csv", "n" * 80 + "-m.csv"),
    ],
)
def test_submitted_file_keeps_its_name_with_safe_characters(name: str, expected: str) -> None:
    key = submitted_key(Kind("orders"), "acme", name, "m")

    assert key == f"incoming/orders/acme/{expected}"
