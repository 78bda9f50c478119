"""Looks at arrivals: a file is claimed once it is complete, soon, and by one process only."""

from dataclasses import dataclass, field

import pytest

from cardops.adapters.object_stores.listing import ListedArrivals
from cardops.rules.intake.files import Kind
from cardops.services.intake.claiming import Claims
from cardops.services.intake.looks import STILL_SECONDS, Looks
from tests.fakes.clock import FakeClock
from tests.fakes.intake_ledger import FakeIntakeLedger
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.programs import FakePrograms

DEPOSITS = Kind("deposits")


@dataclass
class Desk:
    """One kind's looks, over a store and a time that a test sets."""

    store: FakeObjectStore = field(default_factory=FakeObjectStore)
    ledger: FakeIntakeLedger = field(default_factory=FakeIntakeLedger)
    seconds: float = 0.0
    max_files: int = 500

    def __post_init__(self) -> None:
        claims = Claims(
            self.store, FakeObjectStore(), self.ledger, FakePrograms(), FakeClock(), notifier=None
        )
        self.looks = Looks(DEPOSITS, claims, now=lambda: self.seconds)
        self.arrivals = ListedArrivals(
            self.store, self.ledger, is_certain=True, max_files=self.max_files
        )

    def write(self, name: str, content: str = "a", *, is_whole: bool = False) -> str:
        key = f"incoming/deposits/{name}"
        self.store.replace(key, content.encode())
        if not is_whole:
            self.store.unfinished.add(key)
        return key

    def look(self, *keys: str) -> list[str]:
        files, _ = self.looks.look(self.arrivals, keys or None)
        return [file.arrival.key for file in files]

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_file_that_was_put_whole_is_claimed_at_the_first_look(desk: Desk) -> None:
    key = desk.write("a.csv", is_whole=True)

    assert desk.look(key) == [key]
    assert desk.look(key) == []


def test_written_file_is_claimed_after_it_stood_still(desk: Desk) -> None:
    key = desk.write("a.csv")

    assert desk.look(key) == []
    assert desk.looks.seconds_to_next() == STILL_SECONDS
    desk.pass_time(STILL_SECONDS / 2)
    assert desk.look(key) == []  # another event of it comes too early
    assert not desk.looks.due()
    desk.pass_time(STILL_SECONDS / 2)
    assert list(desk.looks.due()) == [key]
    assert desk.look(key) == [key]
    assert desk.looks.seconds_to_next() is None


def test_write_between_two_looks_begins_the_time_anew(desk: Desk) -> None:
    key = desk.write("a.csv")
    desk.look(key)
    desk.pass_time(STILL_SECONDS)
    desk.write("a.csv", "more")

    assert desk.look(key) == []
    assert desk.looks.seconds_to_next() == STILL_SECONDS
    desk.pass_time(STILL_SECONDS)
    assert desk.look(key) == [key]


@pytest.mark.parametrize("is_whole", [False, True])
def test_file_that_a_program_has_open_is_never_claimed(desk: Desk, *, is_whole: bool) -> None:
    key = desk.write("a.csv", is_whole=is_whole)
    desk.store.open_for_writing.add(key)

    for _ in range(5):
        assert desk.look(key) == []
        desk.pass_time(STILL_SECONDS)
    desk.store.open_for_writing.clear()

    assert desk.look(key) == [key]


def test_file_of_which_nobody_knows_the_writer_is_left_to_slower_looks(desk: Desk) -> None:
    key = desk.write("a.csv")
    desk.store.written_elsewhere.add(key)
    desk.look(key)
    desk.pass_time(STILL_SECONDS)

    assert desk.look(key) == []
    slower = ListedArrivals(desk.store, desk.ledger)
    seen = slower.poll(DEPOSITS, {}).waiting
    assert [stat.key for stat in slower.poll(DEPOSITS, seen).ready] == [key]


def test_removed_file_is_waited_for_no_longer(desk: Desk) -> None:
    key = desk.write("a.csv")
    desk.look(key)
    desk.store.delete(key)
    desk.pass_time(STILL_SECONDS)

    assert desk.look(key) == []
    assert desk.looks.seconds_to_next() is None


def test_look_at_some_keys_keeps_what_is_known_of_others(desk: Desk) -> None:
    first = desk.write("a.csv")
    desk.look(first)
    desk.pass_time(STILL_SECONDS)
    second = desk.write("b.csv")

    assert desk.look(second) == []
    assert list(desk.looks.due()) == [first]


def test_more_files_than_one_poll_returns_are_looked_at_at_once() -> None:
    desk = Desk(max_files=2)
    keys = [desk.write(f"{number}.csv") for number in range(5)]
    desk.look()
    desk.pass_time(STILL_SECONDS)

    claimed = []
    for _ in range(3):
        files, has_more = desk.looks.look(desk.arrivals)
        claimed.append((len(files), has_more))

    assert claimed == [(2, True), (2, True), (1, False)]
    assert len(desk.ledger.files) == len(keys)


def test_control_files_and_temporary_names_are_no_arrivals(desk: Desk) -> None:
    for name in ("a.csv.part", ".b.csv", "a.csv.ctl"):
        desk.write(name, is_whole=True)

    assert desk.look() == []
    assert desk.look(*desk.store.contents) == []
