"""The books agree with what disputes gave back, on the day itself and in later nights."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.reconciliation.books import PostgresBooks
from cardops.adapters.postgresql.reconciliation.transaction_log import PostgresTransactionLog
from cardops.contracts.lake.reconciliation import (
    BOOKS_COLUMNS,
    breaks_in,
    closing_balances,
    join_frames,
    store_sides,
    totals_by_currency,
)
from cardops.rules.provisional.records import PostingKind
from cardops.rules.reconciliation.comparisons import STORE_COMPARISONS
from tests.factories.disputed_purchases import DisputeDesk, a_posting
from tests.factories.real_days import today

pytestmark = pytest.mark.database


@pytest.fixture
def desk(database_url: str) -> DisputeDesk:
    """A user who spent the credit of 40.00 before it was taken back, and has -30.00."""
    desk = DisputeDesk(database_url)
    desk.has_deposit("ana", 100_00)
    desk.spends("ana", "t-1", 40_00)
    desk.ledger.post(a_posting(desk, amount=40_00, purchase=40_00))
    desk.spends("ana", "t-2", 90_00)
    desk.ledger.post(a_posting(desk, PostingKind.TAKEN_BACK, purchase=40_00))
    assert desk.available("ana") == -30_00
    return desk


def accounts(desk: DisputeDesk, since: date | None = None) -> pl.DataFrame:
    return join_frames(PostgresBooks(desk.url).accounts(today(), since=since), BOOKS_COLUMNS)


def test_debt_of_a_credit_taken_back_is_no_break(desk: DisputeDesk) -> None:
    books = accounts(desk)

    assert breaks_in(store_sides(books), STORE_COMPARISONS).is_empty()
    # The deposit of this test is from no file; sequences and credits have no break.
    found = set(PostgresBooks(desk.url).breaks(today())["check_name"])
    assert found == {"deposits_have_their_intake_file", "deposits_agree_with_their_content_hash"}
    assert totals_by_currency(books).row(0, named=True) == {
        "currency": "USD",
        "deposits": 100_00,
        "spends": 130_00,
        "reversals": 0,
        "balances": -30_00,
    }


def test_debt_stays_no_break_in_later_nights(desk: DisputeDesk) -> None:
    opening = closing_balances(accounts(desk))
    tomorrow = today() + timedelta(days=1)

    later = accounts(desk, since=tomorrow)

    assert later["taken_back_minor"].to_list() == [0]
    assert breaks_in(store_sides(later, opening), STORE_COMPARISONS).is_empty()


def test_debt_beyond_what_was_taken_back_is_a_break(desk: DisputeDesk) -> None:
    with connect(desk.url) as session:
        session.execute("update accounts set available_minor = available_minor - 10001")

    found = breaks_in(store_sides(accounts(desk)), STORE_COMPARISONS)["check_name"].to_list()

    assert "no_account_is_below_zero_without_an_obligation" in found


def test_log_of_the_day_names_what_was_posted(desk: DisputeDesk, tmp_path: Path) -> None:
    log = PostgresTransactionLog(desk.url)
    log.export(today(), tmp_path / "day.parquet")

    rows = pl.read_parquet(tmp_path / "day.parquet").filter(pl.col("event_key") == "visa/c-1")
    assert rows.select("kind", "transaction_id", "posted_minor").rows() == [
        ("provisional_credit", "t-1", 40_00),
        ("credit_taken_back", "t-1", -40_00),
    ]
    assert log.busy_dates() == [today()]


def test_late_posting_of_a_closed_date_is_counted(desk: DisputeDesk, tmp_path: Path) -> None:
    log, books = PostgresTransactionLog(desk.url), PostgresBooks(desk.url)
    export = log.export(today(), tmp_path / "day.parquet")
    export.is_closed = True  # type: ignore[misc] # as after the day's end
    log.record_export(today(), export)
    assert books.changed_exports(today(), today()) == []

    desk.ledger.post(a_posting(desk, case="c-2", amount=1_00, transaction_id="t-2"))

    assert books.changed_exports(today(), today()) == [today()]


def test_credit_of_a_raised_hold_is_within_what_was_captured(database_url: str) -> None:
    desk = DisputeDesk(database_url)
    desk.has_deposit("ana", 100_00)
    desk.holds("ana", "t-1", 10_00, captured=30_00)
    desk.ledger.post(a_posting(desk, amount=30_00, purchase=30_00))

    found = set(PostgresBooks(desk.url).breaks(today())["check_name"])

    assert "provisional_credits_are_within_the_purchase" not in found
