"""A bucket that is looked at in parts: what a poll costs is bounded, and nothing is ever missed."""

import string
from dataclasses import dataclass, field
from datetime import date

from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from cardops.adapters.object_stores.listing import SweptArrivals
from cardops.rules.intake.files import Kind
from cardops.rules.intake.objects import ObjectPage
from cardops.rules.intake.sweeps import MAX_STEMS, Sweep
from cardops.services.intake.claiming import Claims
from cardops.services.intake.looks import Looks
from tests.fakes.clock import FakeClock
from tests.fakes.intake_ledger import FakeIntakeLedger
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.programs import FakePrograms

DEPOSITS = Kind("deposits")
TODAY = date(2026, 11, 20)


@dataclass
class CountingStore(FakeObjectStore):
    """Counts requests for lists, and the objects in their answers."""

    requests: int = 0
    listed: int = 0
    later: list[str] = field(default_factory=list)

    @override
    def list_page(self, prefix: str, after: str, limit: int) -> ObjectPage:
        page = super().list_page(prefix, after, limit)
        self.requests += 1
        self.listed += len(page.stats)
        return page


class Desk:
    """A bucket that is looked at again and again, as the intake worker does."""

    def __init__(self, page_size: int, max_files: int = 500) -> None:
        self.store, self.ledger = CountingStore(), FakeIntakeLedger()
        claims = Claims(
            self.store, FakeObjectStore(), self.ledger, FakePrograms(), FakeClock(), notifier=None
        )
        self.looks = Looks(DEPOSITS, claims)
        self.arrivals = SweptArrivals(
            self.store,
            self.ledger,
            page_size=page_size,
            max_files=max_files,
            today=lambda: TODAY,
        )

    def put(self, name: str) -> str:
        key = f"incoming/deposits/default/{name}"
        self.store.replace(key, key.encode())
        return key

    def look(self) -> set[str]:
        """Keys that one look claims."""
        files, _ = self.looks.look(self.arrivals)
        return {file.arrival.key for file in files}

    def claim_everything(self) -> int:
        """Look until every object is claimed; how many looks that took."""
        looks = 0
        while len(self.ledger.files) < len(self.store.contents):
            self.look()
            looks += 1
            assert looks <= 10 * len(self.store.contents)
        return looks


def test_old_objects_are_not_listed_at_every_look() -> None:
    desk = Desk(page_size=100)
    for number in range(2_000):
        desk.put(f"2025-{number % 12 + 1:02}-01/{number:05}.csv")
    desk.claim_everything()
    desk.store.requests = desk.store.listed = 0

    new = desk.put("2026-11-20/new.csv")
    found = desk.look()

    assert found == {new}
    assert desk.store.requests <= 2
    assert desk.store.listed <= 200


def test_dates_inside_names_and_in_other_spellings_are_found_at_once() -> None:
    spellings = ("deposits-{0}.csv", "in/{1}/a.csv", "x_{2}T101010.csv", "y/{3}.csv")

    def name(spelling: str, *parts: str) -> str:
        return spelling.format(*(joint.join(parts) for joint in ("-", "/", "", "_")))

    desk = Desk(page_size=50)
    for number in range(500):
        desk.put(f"aaa/{number:04}.csv")
    for spelling in spellings:
        desk.put(name(spelling, "2026", "11", "18"))
    desk.claim_everything()

    new = {desk.put(name(spelling, "2026", "11", "20")) for spelling in spellings}

    assert desk.look() >= new


def test_storm_of_new_objects_is_claimed_in_bounded_looks_and_none_is_passed_over() -> None:
    desk = Desk(page_size=40, max_files=10)
    for number in range(200):
        desk.put(f"2026-11-20/{number:04}.csv")

    assert desk.claim_everything() <= 200 // 10 + 2 * (200 // 40)


def test_bucket_of_one_page_is_listed_by_one_request() -> None:
    desk = Desk(page_size=50)
    for number in range(20):
        desk.put(f"2026-11-{number % 20 + 1:02}/{number}.csv")
    desk.look()
    desk.store.requests = 0
    new = desk.put("undated.csv")

    assert desk.look() == {new}
    assert desk.store.requests == 1


def test_unreadable_position_begins_anew() -> None:
    for text in ("", "{", "[]", '{"stems": [{"x": 1}]}', '{"stems": 3}'):
        assert Sweep.parse(text) == Sweep()
    sweep = Sweep("a", ()).learned(["incoming/deposits/default/2026-11-20/a.csv"])
    assert Sweep.parse(sweep.text()) == sweep


days = st.dates(date(2026, 1, 1), date(2026, 11, 22))
plain = st.text(string.ascii_lowercase, min_size=1, max_size=3)
names = st.one_of(
    st.builds("{}.csv".format, plain),
    st.builds("{:%Y-%m-%d}/{}.csv".format, days, plain),
    st.builds("{}-{:%Y%m%d}-{}.csv".format, plain, days, plain),
    st.builds("{}/{:%Y/%m/%d}/{}.csv".format, plain, days, plain),
)


@given(st.lists(st.tuples(names, st.booleans()), max_size=40), st.integers(2, 5), st.integers(1, 5))
def test_every_object_is_found_by_a_whole_sweep_at_a_bounded_cost(
    arrivals: list[tuple[str, bool]], page_size: int, max_files: int
) -> None:
    """Against the slow and obvious way: everything that is in the store is claimed."""
    desk = Desk(page_size, max_files)
    for name, is_look in arrivals:
        desk.put(name)
        if is_look:
            before = desk.store.requests
            desk.look()
            assert desk.store.requests - before <= 1 + MAX_STEMS

    # Pages of one whole sweep, after the rest of the one under way; a page with more than one claim's
    # files is listed again.
    pages = len(desk.store.contents) // page_size + 1
    claims = len(desk.store.contents) // max_files + 1
    for _ in range(2 * pages + claims):
        desk.look()

    listed = {stat.key for stat in desk.store.list_objects("incoming/deposits/")}
    assert {file.arrival.key for file in desk.ledger.files.values()} == listed
    assert len(desk.ledger.files) == len(listed)
