"""Sums of several amounts pass 2**63, which no single amount or balance may."""

from pathlib import Path

import duckdb
import pytest

from cardops.bootstrap import Adapters
from cardops.contracts.lake.reconciliation import (
    BOOKS_COLUMNS,
    breaks_in,
    store_sides,
    totals_by_currency,
)
from cardops.rules.reconciliation.comparisons import STORE_COMPARISONS
from cardops.services.accounts.deposit_files import DepositFileKey
from cardops.services.accounts.recalls import RecallService
from cardops.services.reconciliation.closing_balances import write_closing_balances
from cardops.services.reconciliation.log_export import LogExport
from cardops.services.reconciliation.reconciling import (
    Extent,
    recorded_breaks,
)
from orchestration.composition import reconciliation_of
from orchestration.proving.specimen import close_books, submit_deposits
from tests.factories.busy_days import adapters_of, damaged
from tests.factories.lake_tables import DAY
from tests.fakes.books import FakeBooks, an_account
from tests.fakes.lake import FakeLake

ROW = 90_000_000_000_000_00
ROWS = 600
# What each user has: an i64, which two of them together are not.
LARGE = ROWS * ROW
USERS = ("ana", "ben", "cas", "dan")
FORGED = "update deposit_events set amount_minor = amount_minor - 100 where user_id = 'ana'"


def a_file(folder: Path, name: str, *users: str) -> Path:
    path = folder / f"{name}.csv"
    rows = [
        f"{user},90000000000000.00,{name}-{user}-{number},2026-03-01T00:00:00Z,USD"
        for user in users
        for number in range(ROWS)
    ]
    path.write_text("\n".join(["user_id,amount,deposit_id,timestamp,currency", *rows]))
    return path


@pytest.fixture(scope="module")
def store(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Adapters:
    """Four users of almost 2**63 each; a fifth had as much twice, and gave it back once."""
    folder = tmp_path_factory.mktemp("home")
    adapters = adapters_of(module_database_url, folder)
    submit_deposits(adapters, "default", [a_file(folder, "first", *USERS)])
    submit_deposits(adapters, "default", [a_file(folder, "wrong", "eve")])
    stats = adapters.raw_store.list_objects("incoming/deposits/")
    key = next(stat.key for stat in stats if "wrong" in stat.key)
    service = RecallService(adapters.intake_ledger, adapters.deposit_ledger, adapters.lake)
    service.recall(key, DepositFileKey(key=key), "test")
    submit_deposits(adapters, "default", [a_file(folder, "right", "eve")])
    close_books(adapters, adapters.database_clock.now().date())
    return adapters


@pytest.mark.database
def test_books_beyond_i64_add_up_exactly(store: Adapters) -> None:
    today = store.database_clock.now().date()

    found = reconciliation_of(store).reconcile(today, Extent.ALL)

    assert found.breaks.is_empty()
    assert found.totals.to_dicts() == [
        {
            "currency": "USD",
            "deposits": 5 * LARGE,
            "spends": 0,
            "reversals": 0,
            "balances": 5 * LARGE,
        }
    ]


@pytest.mark.database
def test_breaks_beyond_i64_have_exact_figures(store: Adapters) -> None:
    today = store.database_clock.now().date()

    with damaged(store, FORGED) as service:
        service.reconcile_closed(today)

    breaks = recorded_breaks(today, store.lake)
    (control,) = breaks.filter(check_name="deposits_posted_equal_control_totals").to_dicts()
    assert control["amount_a_minor"] - control["amount_b_minor"] == 100 * ROWS
    assert control["amount_a_minor"] == 4 * LARGE
    sources = store.lake.local_path("reconciliation_breaks")
    with duckdb.connect() as session:
        row = session.execute(
            "select max(amount_a_minor)::text from read_parquet(?)",
            [str(sources / "*" / "*.parquet")],
        ).fetchone()
    assert row == (str(4 * LARGE),)


@pytest.mark.database
def test_totals_of_an_export_beyond_i64_are_exact(store: Adapters) -> None:
    today = store.database_clock.now().date()

    export = LogExport(store.transaction_log, store.books, store.lake).export(today)

    totals = {row["kind"]: row["posted_minor"] for row in export.totals.to_dicts()}
    assert totals == {"deposit": 6 * LARGE, "recall": -LARGE}


def test_damaged_balance_beyond_i64_is_a_break() -> None:
    """Somebody wrote a held amount that, with the available one, is no i64 any more."""
    account = an_account("ana", available_minor=LARGE, held_minor=LARGE, deposits_minor=LARGE)
    books = FakeBooks([account])
    (accounts,) = books.accounts(DAY)

    found = breaks_in(store_sides(accounts), STORE_COMPARISONS[:1])

    assert list(accounts.schema) == list(BOOKS_COLUMNS)
    assert found.select("amount_a_minor", "amount_b_minor").rows() == [(2 * LARGE, LARGE)]
    assert totals_by_currency(accounts).to_dicts()[0]["balances"] == 2 * LARGE


def test_closing_balances_total_beyond_i64() -> None:
    accounts = [an_account(user, available_minor=LARGE, deposits_minor=LARGE) for user in USERS]

    closed = write_closing_balances(DAY, FakeBooks(accounts), FakeLake())

    assert closed.totals.to_dicts()[0]["balances"] == len(USERS) * LARGE
