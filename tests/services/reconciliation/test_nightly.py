"""The nightly reconciliation compares what changed since the last date without a break."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from cardops.adapters.postgresql.connection import connect
from cardops.bootstrap import Adapters
from cardops.services.reconciliation.reconciling import (
    Extent,
    Reconciliation,
    recorded_breaks,
)
from orchestration.composition import reconciliation_of
from orchestration.proving.specimen import close_books
from tests.factories.busy_days import (
    adapters_of,
    be_busy,
    damaged,
    move_to_yesterday,
)
from tests.factories.real_days import today, yesterday

pytestmark = pytest.mark.database

CHANGED_BALANCE = """
    update accounts set available_minor = available_minor + 1
    where (program, user_id, currency) = (
        select program, user_id, currency from accounts where {moved_today} = (user_id in (
            select user_id from deposit_events where posted_at >= current_date
        )) limit 1
    )
"""


def checks_of(found: Reconciliation) -> set[str]:
    return set(found.breaks["check_name"])


def last_reconciled_on(store: Adapters) -> date | None:
    day = store.books.last_reconciled(today() + timedelta(days=1))
    return day and day.business_date


@pytest.fixture(scope="module")
def store(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Adapters:
    """Yesterday was busy, closed and reconciled; today has been busy too."""
    adapters = adapters_of(module_database_url, tmp_path_factory.mktemp("home"))
    be_busy(adapters, seed=5)
    move_to_yesterday(adapters)
    close_books(adapters, yesterday())
    with connect(adapters.database.url) as session:
        # As the second export after the day's end finds it.
        session.execute("update exported_days set is_closed = true")
    found, _ = reconciliation_of(adapters).reconcile_closed(yesterday())
    assert (checks_of(found), found.since) == (set(), None)
    be_busy(adapters, seed=6)
    close_books(adapters, today())
    return adapters


def test_second_night_reads_from_the_first_and_finds_nothing(store: Adapters) -> None:
    found, _ = reconciliation_of(store).reconcile_closed(today())

    assert (checks_of(found), found.since) == (set(), today())
    assert found.account_count > 100


def test_no_extent_finds_a_break_in_books_that_agree(store: Adapters) -> None:
    found = {extent: reconciliation_of(store).reconcile(today(), extent) for extent in Extent}

    assert [checks_of(result) for result in found.values()] == [set()] * len(Extent)
    assert found[Extent.ALL].recounted_files > found[Extent.CHANGES].recounted_files > 0


@pytest.mark.parametrize("moved_today", ["true", "false"])
def test_night_finds_a_balance_that_changed(store: Adapters, moved_today: str) -> None:
    """Also of an account that nothing moved today: yesterday's closing balance is the source."""
    statement = CHANGED_BALANCE.replace("{moved_today}", moved_today)

    with damaged(store, statement) as service:
        found = service.reconcile(today(), Extent.CHANGES)

    assert found.since == today()
    assert "ledger_balance_equals_sum_of_postings" in checks_of(found)


def test_date_with_a_break_is_compared_again(store: Adapters) -> None:
    with damaged(store, "update reconciled_days set break_count = 1") as service:
        found = service.reconcile(today(), Extent.CHANGES)

    assert (checks_of(found), found.since) == (set(), None)


def test_break_of_a_full_run_makes_the_next_nights_compare_everything(store: Adapters) -> None:
    """Also where the date's balances were written again since."""
    failed = (
        "insert into reconciled_days (business_date, compared_from, break_count, superseded_at)"
        " select business_date + 1, null, 1, now() from reconciled_days"
    )

    with damaged(store, failed) as service:
        found = service.reconcile(today(), Extent.CHANGES)

    assert (checks_of(found), found.since) == (set(), None)


def test_open_date_is_never_recorded_as_reconciled(store: Adapters) -> None:
    reconciliation_of(store).reconcile_closed(today())

    assert last_reconciled_on(store) == yesterday()


def test_file_whose_state_changed_today_is_counted_again(store: Adapters) -> None:
    """Whatever its date is: a file that is recalled, for example."""
    with damaged(store, "update intake_files set ended_at = now() where intake_id = 1") as service:
        files = service.books.counted_files(today(), since=today())

    assert 1 in [file.intake_id for file in files]
    assert 1 not in [file.intake_id for file in store.books.counted_files(today(), since=today())]


def test_night_after_a_changed_carried_balance_compares_everything(store: Adapters) -> None:
    folder = store.lake.local_path("balances") / f"business_date={yesterday()}"
    (file,) = folder.glob("*.parquet")
    original = file.read_bytes()
    rows = pl.read_parquet(file)
    store.lake.write(
        "balances", yesterday(), file.stem, rows.with_columns(pl.col("ledger_minor") + 1)
    )
    try:
        found = reconciliation_of(store).reconcile(today(), Extent.CHANGES)
    finally:
        file.write_bytes(original)

    assert (checks_of(found), found.since) == ({"carried_balances_are_those_reconciled"}, None)


def test_balances_written_again_make_the_next_night_begin_earlier(store: Adapters) -> None:
    with damaged(store, "update reconciled_days set superseded_at = now()") as service:
        found = service.reconcile(today(), Extent.CHANGES)

    assert (checks_of(found), found.since) == (set(), None)


class SlowLake:
    """Before the night's breaks are written, somebody begins a full run."""

    def __init__(self, store: Adapters) -> None:
        self._store = store
        self.full: Future[Reconciliation] | None = None
        self.pool = ThreadPoolExecutor(max_workers=1)

    def write(self, table: str, business_date: date, name: str, rows: pl.DataFrame) -> str:
        service = reconciliation_of(self._store)
        self.full = self.pool.submit(lambda: service.reconcile_closed(business_date, Extent.ALL)[0])
        while not (self.full.done() or self._is_waiting()):
            time.sleep(0.01)
        return self._store.lake.write(table, business_date, name, rows)

    def _is_waiting(self) -> bool:
        with connect(self._store.database.url) as session:
            waiting = session.execute(
                "select from pg_locks where locktype = 'advisory' and not granted"
            )
            return waiting.fetchone() is not None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store.lake, name)


def test_night_beside_a_full_run_never_replaces_what_that_one_found(store: Adapters) -> None:
    with connect(store.database.url) as session:
        (key,) = session.execute("select key from intake_files where intake_id = 1").fetchone()
    path = store.settings.home / "raw" / key
    original = path.read_bytes()
    lake = SlowLake(store)
    night = replace(reconciliation_of(store), lake=lake)
    path.write_bytes(original + b"\n")
    try:
        found, _ = night.reconcile_closed(today())
        assert lake.full is not None
        full = lake.full.result()
    finally:
        path.write_bytes(original)

    assert (checks_of(found), found.since) == (set(), today())
    assert checks_of(full) == {"raw_files_are_unchanged"}
    assert recorded_breaks(today(), store.lake).equals(full.breaks)
    reconciliation_of(store).reconcile_closed(today())
