"""Reconciliation of a date as the command and the asset run it, on fakes."""

from dataclasses import replace
from datetime import date, time, timedelta

import pytest

from cardops.adapters.warehouse.lake_books import DuckDbLakeBooks
from cardops.rules.intake.expected_files import ExpectedFile
from cardops.rules.intake.files import Kind
from cardops.rules.reconciliation.comparisons import (
    DUE_FILES,
    STORE_COMPARISONS,
    ExportMissingError,
    LakeIncompleteError,
    NotReconciledError,
)
from cardops.services.intake.expected_files import ExpectedFileService
from cardops.services.reconciliation.closing_balances import write_closing_balances
from cardops.services.reconciliation.log_export import LogExport
from cardops.services.reconciliation.reconciling import (
    ReconciliationService,
    breaks_of,
    recorded_breaks,
)
from tests.factories.lake_tables import DAY, NOON, a_posting, rows_of
from tests.fakes.books import FakeBooks, an_account
from tests.fakes.clock import FakeClock
from tests.fakes.expected_files import FakeExpectedFiles
from tests.fakes.lake import FakeLake
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.transaction_log import FakeTransactionLog

EVE = date(2026, 11, 19)
ANA = an_account("ana", available_minor=700, ledger_seq=2, deposits_minor=1000, spends_minor=300)


def a_log(*postings: dict[str, object]) -> FakeTransactionLog:
    return FakeTransactionLog(rows_of("transaction_log", *postings).to_dicts())


FULL_LOG = (a_posting("ana", 1000, 1), a_posting("ana", -300, 2))


def a_service(
    lake: FakeLake,
    account: dict[str, object] = ANA,
    log: FakeTransactionLog | None = None,
    calendar: FakeExpectedFiles | None = None,
) -> ReconciliationService:
    books = FakeBooks([account], exports=log.exports if log else {})
    clock = FakeClock(NOON)
    due_files = ExpectedFileService(calendar or FakeExpectedFiles(clock), clock)
    return ReconciliationService(
        books, lake, DuckDbLakeBooks(lake), log or a_log(), FakeObjectStore(), due_files
    )


def close(lake: FakeLake, log: FakeTransactionLog) -> None:
    books = FakeBooks([ANA])
    write_closing_balances(DAY, books, lake)
    LogExport(log, books, lake).export(DAY)


def test_open_date_is_compared_without_the_lake() -> None:
    found = a_service(FakeLake(), {**ANA, "spends_minor": 299}).reconcile(DAY)

    assert not found.includes_lake
    assert breaks_of(STORE_COMPARISONS[0], found.breaks).height == found.breaks.height == 1
    assert found.totals.to_dicts()[0]["balances"] == 700


def test_closed_date_is_compared_with_the_lake_too() -> None:
    lake = FakeLake()
    close(lake, a_log(FULL_LOG[0]))

    found = a_service(lake).reconcile(DAY)

    assert found.includes_lake
    assert found.breaks["side_b"].to_list() == ["transaction_log"]


def test_closed_reconciliation_records_its_breaks() -> None:
    lake, log = FakeLake(), a_log(*FULL_LOG)
    close(lake, log)

    found, uri = a_service(lake, log=log).reconcile_closed(DAY)

    assert found.breaks.is_empty()
    assert uri.endswith("snapshot.parquet")
    assert recorded_breaks(DAY, lake).is_empty()


def test_closed_reconciliation_records_what_it_compared() -> None:
    lake, log = FakeLake(), a_log(*FULL_LOG)
    close(lake, log)

    a_service(lake, {**ANA, "spends_minor": 299}, log=log).reconcile_closed(DAY)

    recorded = lake.scan("reconciliation_totals", [DAY])
    assert recorded is not None
    assert recorded.drop("business_date").collect().rows() == [
        ("default", "USD", 1, 700, 701, None)
    ]


def test_closed_reconciliation_needs_every_busy_date() -> None:
    lake = FakeLake()
    log = a_log({**FULL_LOG[0], "occurred_at": NOON.replace(day=19)}, FULL_LOG[1])
    close(lake, log)

    with pytest.raises(ExportMissingError, match=str(EVE)):
        a_service(lake, log=log).reconcile_closed(DAY)


def test_closed_reconciliation_needs_closing_balances() -> None:
    lake, log = FakeLake(), a_log(*FULL_LOG)
    LogExport(log, FakeBooks([ANA]), lake).export(DAY)

    with pytest.raises(LakeIncompleteError, match="materialize `balances` first"):
        a_service(lake, log=log).reconcile_closed(DAY)


def test_unreconciled_date_has_no_recorded_breaks() -> None:
    with pytest.raises(NotReconciledError, match=str(DAY)):
        recorded_breaks(DAY, FakeLake())


def a_calendar(**entry: object) -> FakeExpectedFiles:
    """A file is due each day at 09:00 since long ago, and none has come."""
    calendar = FakeExpectedFiles(FakeClock(NOON - timedelta(days=100)))
    expected = ExpectedFile("default", "bank", Kind("deposits"), time(9))
    calendar.add(replace(expected, **entry))
    calendar.clock.at = NOON
    return calendar


def test_date_without_any_row_but_a_due_file_is_a_break() -> None:
    """Empty books agree with each other; the calendar does not."""
    lake, log = FakeLake(), a_log()
    books = FakeBooks([])
    write_closing_balances(DAY, books, lake)
    LogExport(log, books, lake).export(DAY)
    service = replace(a_service(lake, log=log, calendar=a_calendar()), books=books)

    found, _ = service.reconcile_closed(DAY)

    missing = breaks_of(DUE_FILES, found.breaks)
    assert missing.height == found.breaks.height > 1
    assert f"deposits file bank due on {DAY} is missing" in missing["subject"].to_list()


def test_file_whose_time_has_not_come_is_no_break_of_an_open_date() -> None:
    service = a_service(FakeLake(), calendar=a_calendar(due_at=time(18)))

    assert breaks_of(DUE_FILES, service.reconcile(DAY).breaks).is_empty()


def test_arrived_file_is_no_break() -> None:
    calendar = a_calendar()
    calendar.arrive("bank.csv")

    assert breaks_of(
        DUE_FILES, a_service(FakeLake(), calendar=calendar).reconcile(DAY).breaks
    ).is_empty()
