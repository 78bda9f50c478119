"""KnownRows on the fake and on PostgreSQL."""

from collections.abc import Sequence
from dataclasses import replace
from threading import Event, Thread

import polars as pl
import pytest

from cardops.adapters.postgresql.intake.known_rows import PostgresKnownRows
from cardops.contracts.judging.known_rows import ENTRY
from cardops.ports import EarlierRows, KnownRows
from cardops.ports.known_rows import BEFORE_TURNS
from cardops.rules.intake.files import IntakeFile, Kind
from tests.factories.intake import an_intake_file
from tests.fakes.known_rows import FakeKnownRows

DIGEST = "0123456789abcdef0123456789abcdef"
DEPOSITS, ORDERS = Kind("deposits"), Kind("orders")


@pytest.fixture(params=["fake", pytest.param("postgresql", marks=pytest.mark.database)])
def index(request: pytest.FixtureRequest) -> KnownRows:
    if request.param == "fake":
        return FakeKnownRows()
    return PostgresKnownRows(request.getfixturevalue("database_url"))


def entries(intake_id: int, ids: Sequence[str], *, program: str = "default") -> pl.DataFrame:
    rows = [
        (DEPOSITS, program, name, intake_id, number, DIGEST, '{"v":["a,\\"b",null]}')
        for number, name in enumerate(ids, start=1)
    ]
    return pl.DataFrame(rows, schema=ENTRY, orient="row")


def record(
    index: KnownRows, intake_id: int, *ids: str, in_lake: bool = True, program: str = "default"
) -> None:
    with index.turn(an_intake_file(intake_id, program=program)) as turn:
        turn.record([entries(intake_id, ids, program=program)], "layout")
    if in_lake:
        index.mark_in_lake(intake_id)


def earlier(index: KnownRows, intake_id: int, *ids: str) -> EarlierRows:
    with index.turn(an_intake_file(intake_id)) as turn:
        return turn.earlier(ids)


def test_recorded_rows_are_found_by_their_id(index: KnownRows) -> None:
    record(index, 5, "a", "b", "b")

    found = index.find(DEPOSITS, "default", ["b", "z"]).sort("row_number")

    assert found["row_number"].to_list() == [2, 3]
    assert found.row(0, named=True) == {
        "lookup_id": "b",
        "intake_id": 5,
        "row_number": 2,
        "content_digest": DIGEST,
        "row_values": '{"v":["a,\\"b",null]}',
    }
    assert index.row_counts([5, 6]) == {5: 3}


def test_rows_of_another_program_or_kind_are_not_found(index: KnownRows) -> None:
    record(index, 5, "a", program="other")

    assert index.find(DEPOSITS, "default", ["a"]).is_empty()
    assert index.find(ORDERS, "other", ["a"]).is_empty()
    assert earlier(index, 6, "a").rows.is_empty()


def test_rows_are_no_reference_before_they_are_in_the_lake(index: KnownRows) -> None:
    record(index, 5, "a", in_lake=False)

    assert index.find(DEPOSITS, "default", ["a"]).is_empty()
    assert earlier(index, 6, "a").not_in_lake == (5,)
    assert earlier(index, 6, "b").not_in_lake == ()

    index.mark_in_lake(5)
    assert earlier(index, 6, "a").not_in_lake == ()
    assert earlier(index, 6, "a").rows["lookup_id"].to_list() == ["a"]


def test_order_of_judging_is_fixed_with_the_first_record(index: KnownRows) -> None:
    record(index, 9, "a")
    record(index, 5, "a")
    record(index, 9, "a", "c")

    assert earlier(index, 5, "a").rows.height == 1
    assert earlier(index, 9, "a").rows.is_empty()
    assert sorted(earlier(index, 12, "a").rows["intake_id"]) == [1, 2]
    assert index.judged([5, 9, 12]) == {5, 9}
    assert index.row_counts([5, 9]) == {5: 1, 9: 2}


def test_file_that_is_judged_again_is_told_of_later_rows(index: KnownRows) -> None:
    record(index, 2, "a", "b")
    record(index, 3, "a")
    record(index, 4, "a", in_lake=False)

    found, first = earlier(index, 2, "a", "b"), earlier(index, 9, "a")

    assert found.rows.is_empty()
    assert found.later_rows is not None
    assert found.later_rows["intake_id"].to_list() == [2]
    assert found.own_rows is not None
    assert set(found.own_rows["row_number"]) == {1, 2}
    assert (first.own_rows, first.later_rows) == (None, None)


def test_forgotten_file_is_judged_after_all_others(index: KnownRows) -> None:
    record(index, 2, "a", in_lake=False)
    record(index, 3, "a")

    index.forget(2)

    assert index.judged([2, 3]) == {3}
    assert index.row_counts([2]) == {}
    assert earlier(index, 2, "a").rows.height == 1


def test_file_read_from_the_lake_is_placed_by_its_id(index: KnownRows) -> None:
    record(index, 2, "a", in_lake=False)
    rows = pl.concat([entries(2, ["b"]), entries(7, ["a"])])

    index.record_from_lake(DEPOSITS, {2: "default", 7: "default"}, [rows], "other")
    record(index, 3, "a")

    assert index.recorded([2, 3, 7], "other") == {2, 7}
    assert earlier(index, 9, "a").rows["intake_id"].sort().to_list() == [BEFORE_TURNS + 7, 2]
    assert index.find(DEPOSITS, "default", ["b"])["intake_id"].to_list() == [2]


def test_build_is_complete_under_one_layout(index: KnownRows) -> None:
    assert not index.is_complete(DEPOSITS, "one")
    assert index.kinds() == []
    with index.building(DEPOSITS):
        index.complete(DEPOSITS, "one")

    assert index.is_complete(DEPOSITS, "one")
    assert index.kinds() == [DEPOSITS]
    assert not index.is_complete(DEPOSITS, "two")
    assert not index.is_complete(ORDERS, "one")


@pytest.mark.database
def test_one_file_of_a_program_is_judged_at_a_time(database_url: str) -> None:
    index, entered = PostgresKnownRows(database_url), Event()

    def judge_next(file: IntakeFile) -> None:
        with index.turn(file) as turn:
            entered.set()
            turn.record([], "layout")

    file = an_intake_file(2)
    other = replace(file, arrival=replace(file.arrival, program="other"))
    with index.turn(an_intake_file(1)):
        judge_next(other)
        entered.clear()
        thread = Thread(target=judge_next, args=[file])
        thread.start()
        assert not entered.wait(0.2)
    thread.join()

    assert entered.is_set()


def test_files_judged_together_have_places_in_their_order(index: KnownRows) -> None:
    record(index, 5, "a")
    files = [an_intake_file(intake_id) for intake_id in (3, 7)]

    with index.turn(*files) as turn:
        assert turn.earlier(["a", "b"]).rows["intake_id"].to_list() == [1]
        turn.record([entries(3, ["b"]), entries(7, ["b", "c"])], "layout")

    assert earlier(index, 9, "b").not_in_lake == (3, 7)
    index.mark_in_lake(3, 7)
    assert sorted(earlier(index, 9, "b", "c").rows["intake_id"]) == [2, 3, 3]
    assert earlier(index, 3, "b").later_rows is not None
    index.forget(3, 7)
    assert earlier(index, 9, "b", "c").rows.is_empty()
