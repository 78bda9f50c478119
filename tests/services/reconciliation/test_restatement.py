"""A late row of a closed date: exported again, and compared from before it; a lost row is a break."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from cardops.adapters.postgresql.connection import connect
from cardops.bootstrap import Adapters
from cardops.services.reconciliation import log_export
from cardops.services.reconciliation.reconciling import Extent
from orchestration.composition import reconciliation_of
from orchestration.proving.specimen import close_books, submit_deposits
from tests.factories.busy_days import adapters_of, move_to_yesterday
from tests.factories.lake_tables import DAY, a_posting, rows_of
from tests.factories.real_days import today, yesterday
from tests.fakes.books import FakeBooks
from tests.fakes.lake import FakeLake
from tests.fakes.transaction_log import FakeTransactionLog


def submit(store: Adapters, *users: str) -> None:
    path = store.settings.home / f"{'-'.join(users)}.csv"
    rows = [f"{user},10.00,d-{user},2026-03-01T00:00:00Z,USD" for user in users]
    path.write_text("\n".join(["user_id,amount,deposit_id,timestamp,currency", *rows]))
    submit_deposits(store, "default", [path])


def balances(store: Adapters, day: date) -> dict[str, int]:
    rows = store.lake.scan("balances", [day])
    assert rows is not None
    return dict(rows.select("user_id", "ledger_minor").collect().iter_rows())


@pytest.fixture
def store(database_url: str, tmp_path: Path) -> Adapters:
    """Yesterday was closed and reconciled from the beginning; today has had a deposit too."""
    adapters = adapters_of(database_url, tmp_path)
    submit(adapters, "ana", "ben")
    move_to_yesterday(adapters)
    close_books(adapters, yesterday())
    with connect(database_url) as session:
        session.execute("update exported_days set is_closed = true")
    found, _ = reconciliation_of(adapters).reconcile_closed(yesterday())
    assert found.breaks.is_empty()
    submit(adapters, "cas", "dan")
    return adapters


@pytest.mark.database
def test_late_row_is_exported_again_and_compared_from_before_it(store: Adapters) -> None:
    with connect(store.database.url) as session:
        session.execute(
            "update deposit_events set posted_at = posted_at - interval '1 day'"
            " where user_id = 'cas'"
        )

    close_books(store, today())
    found, _ = reconciliation_of(store).reconcile_closed(today())

    assert (set(found.breaks["check_name"]), found.since) == (set(), None)
    assert pl.read_parquet(store.lake_books.log_file(yesterday()))["user_id"].to_list() == [
        "ana", "ben", "cas",
    ]  # fmt: skip
    assert balances(store, yesterday()) == {"ana": 1000, "ben": 1000, "cas": 1000, "dan": 0}


class Killed(BaseException):
    """The process ends here."""


def killed(*_: object) -> None:
    raise Killed


@pytest.mark.database
def test_crash_between_log_and_balances_is_made_up_for_by_a_plain_run(
    store: Adapters, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(store.database.url) as session:
        session.execute(
            "update deposit_events set posted_at = posted_at - interval '1 day'"
            " where user_id = 'cas'"
        )

    with monkeypatch.context() as patch:
        patch.setattr(log_export, "rewrite_balances", killed)
        with pytest.raises(Killed):
            close_books(store, today())
    close_books(store, today())
    found, _ = reconciliation_of(store).reconcile_closed(today())

    assert set(found.breaks["check_name"]) == set()
    assert balances(store, yesterday())["cas"] == 1000


@pytest.mark.database
def test_late_row_of_a_date_that_had_none_is_taken_up(store: Adapters) -> None:
    """Between the first exported date and one that was compared without it."""
    first = today() - timedelta(days=4)
    log_export.LogExport(store.transaction_log, store.books, store.lake).export(first)
    with connect(store.database.url) as session:
        session.execute(
            "update deposit_events set posted_at = posted_at - interval '2 days'"
            " where user_id = 'cas'"
        )

    close_books(store, today())
    found, _ = reconciliation_of(store).reconcile_closed(today())

    assert (set(found.breaks["check_name"]), found.since) == (set(), None)
    assert balances(store, yesterday())["cas"] == 1000


@pytest.mark.database
@pytest.mark.parametrize(
    ("days", "checks"),
    [
        (3, set()),
        (40, {"ledger_balance_equals_sum_of_postings", "transaction_log_adds_up_to_balances"}),
    ],
)
def test_late_row_before_the_first_exported_date_is_exported(
    store: Adapters, days: int, checks: set[str]
) -> None:
    """Within the window it is taken up; an older one is a break, which a full run then proves."""
    with connect(store.database.url) as session:
        session.execute(
            "update deposit_events set posted_at = posted_at - %s * interval '1 day'"
            " where user_id = 'cas'",
            [days],
        )

    close_books(store, today())
    found, _ = reconciliation_of(store).reconcile_closed(today())
    full, _ = reconciliation_of(store).reconcile_closed(today(), Extent.ALL)

    assert set(found.breaks["check_name"]) == checks
    assert set(full.breaks["check_name"]) == set()
    assert today() - timedelta(days=days) in store.lake_books.exported_dates()


@pytest.mark.database
def test_night_finds_a_row_that_a_closed_date_lost(store: Adapters) -> None:
    close_books(store, today())

    with connect(store.database.url) as session:
        session.execute("delete from deposit_events where user_id = 'ben'")

    found = reconciliation_of(store).reconcile(today(), Extent.CHANGES)

    assert found.since == today()
    assert "exported_log_equals_the_stores_events" in set(found.breaks["check_name"])


def test_closed_date_that_lost_a_row_is_not_exported_again() -> None:
    """Also where it has a new one beside."""
    eve = DAY - timedelta(days=1)
    rows = rows_of("transaction_log", a_posting("ana", 10, 1), a_posting("ben", 10, 1)).to_dicts()
    log, lake = FakeTransactionLog(), FakeLake()
    log.rows = [row | {"occurred_at": row["occurred_at"] - timedelta(days=1)} for row in rows]
    books = FakeBooks(changed=[eve], exports=log.exports)
    export = log_export.LogExport(log, books, lake)
    export.export(eve)
    log.rows[1] |= {"event_key": "another"}

    exported = [item.business_date for item in export.export_until(DAY)]

    assert exported == [DAY]
    assert pl.read_parquet(lake.local_path("transaction_log") / f"business_date={eve}").height == 2
