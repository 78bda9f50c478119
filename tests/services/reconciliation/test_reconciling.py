"""Reconciliation of a date as the command and the asset run it, on fakes."""

from datetime import date

import pytest

from cardops.adapters.warehouse.lake_books import DuckDbLakeBooks
from cardops.rules.reconciliation.comparisons import (
    STORE_COMPARISONS,
    ExportMissingError,
    LakeIncompleteError,
    NotReconciledError,
)
from cardops.services.reconciliation.closing_balances import write_closing_balances
from cardops.services.reconciliation.log_export import LogExport
from cardops.services.reconciliation.reconciling import (
    ReconciliationService,
    breaks_of,
    recorded_breaks,
)
from tests.factories.lake_tables import DAY, NOON, a_posting, rows_of
from tests.fakes.books import FakeBooks, an_account
from tests.fakes.lake import FakeLake
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.transaction_log import FakeTransactionLog

EVE = date(2026, 11, 19)
ANA = an_account("ana", available_minor=700, ledger_seq=2, deposits_minor=1000, spends_minor=300)


def a_log(*postings: dict[str, object]) -> FakeTransactionLog:
    return FakeTransactionLog(rows_of("transaction_log", *postings).to_dicts())


FULL_LOG = (a_posting("ana", 1000, 1), a_posting("ana", -300, 2))


def a_service(
    lake: FakeLake, account: dict[str, object] = ANA, log: FakeTransactionLog | None = None
) -> ReconciliationService:
    books = FakeBooks([account], exports=log.exports if log else {})
    return ReconciliationService(
        books, lake, DuckDbLakeBooks(lake), log or a_log(), FakeObjectStore()
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
