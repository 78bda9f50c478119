"""Where a night begins: only at balances that are unchanged and proven; else at the beginning."""

from datetime import date, timedelta

import pytest

from cardops.adapters.warehouse.lake_books import DuckDbLakeBooks
from cardops.services.reconciliation.carried_balances import MAX_AGE_OF_PROOF, CarriedBalances
from cardops.services.reconciliation.closing_balances import write_closing_balances
from tests.factories.lake_tables import DAY, a_balance, rows_of
from tests.fakes.books import FakeBooks, an_account
from tests.fakes.lake import FakeLake

EVE = DAY - timedelta(days=1)
CHECK = "carried_balances_are_those_reconciled"


class Night:
    """The eve's balances are in the lake and were reconciled from the beginning, without a break."""

    def __init__(self) -> None:
        self.books = FakeBooks([an_account("ana", available_minor=5, deposits_minor=5)])
        self.lake = FakeLake()
        self.lake_books = DuckDbLakeBooks(self.lake)
        self.carried = CarriedBalances(self.books, self.lake_books)
        write_closing_balances(EVE, self.books, self.lake)
        self.record(EVE)

    def record(self, day: date, since: date | None = None, break_count: int = 0) -> None:
        balances_sha256 = self.lake_books.balances_sha256(day)
        self.books.record_reconciled(
            day, since=since, break_count=break_count, balances_sha256=balances_sha256
        )

    def found(self) -> list[str]:
        return self.carried.breaks(DAY, DAY)["check_name"].to_list()


@pytest.fixture
def night() -> Night:
    return Night()


def test_night_begins_at_unchanged_balances(night: Night) -> None:
    assert (night.carried.opening(DAY), night.found()) == (EVE, [])


def test_changed_balance_makes_a_full_run_and_a_break(night: Night) -> None:
    night.lake.write("balances", EVE, "snapshot", rows_of("balances", a_balance("ana", 6, 0)))

    assert (night.carried.opening(DAY), night.found()) == (None, [CHECK])


def test_lost_balances_make_a_full_run_and_a_break(night: Night) -> None:
    night.lake.frames.clear()

    assert (night.carried.opening(DAY), night.found()) == (None, [CHECK])


def test_date_without_recorded_hash_is_no_beginning(night: Night) -> None:
    night.books.record_reconciled(EVE, since=None, break_count=0, balances_sha256=None)

    assert (night.carried.opening(DAY), night.found()) == (None, [])


def test_balances_written_again_are_no_beginning(night: Night) -> None:
    write_closing_balances(EVE, night.books, night.lake)

    assert (night.carried.opening(DAY), night.found()) == (None, [])


def test_old_proof_makes_a_full_run(night: Night) -> None:
    later = EVE + MAX_AGE_OF_PROOF
    write_closing_balances(later, night.books, night.lake)
    night.record(later, since=DAY)

    assert night.carried.opening(later) == EVE
    assert night.carried.opening(later + timedelta(days=1)) is None


def test_break_of_a_full_run_stays_until_a_full_run_is_without_one(night: Night) -> None:
    """An older date without a break is no beginning meanwhile, also for the same date compared again."""
    night.record(DAY, break_count=1)

    assert night.carried.opening(DAY) is None
    assert night.carried.opening(DAY + timedelta(days=1)) is None

    night.record(DAY)

    assert night.carried.opening(DAY) == EVE


def test_full_run_looks_at_every_reconciled_date(night: Night) -> None:
    write_closing_balances(DAY, night.books, night.lake)
    night.record(DAY, since=DAY)
    night.lake.write("balances", EVE, "snapshot", rows_of("balances"))

    found = night.carried.breaks(DAY + timedelta(days=1), None)

    assert found["subject"].to_list() == [f"closing balances of {EVE}"]
