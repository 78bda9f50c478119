"""Balances, log and reconciliation of a business date, on fakes."""

from collections.abc import Mapping
from datetime import date

import dagster as dg
import pytest

from assets.balances import exporting
from assets.reconciliation import reconciling, verdict
from assets.transaction_log import each_event_is_in_the_transaction_log_once
from cardops.adapters.warehouse.lake_books import DuckDbLakeBooks
from cardops.contracts.lake.tables import empty_frame
from cardops.rules.alarms.incidents import Severity
from cardops.rules.reconciliation.comparisons import COMPARISONS
from sensors.run_failure import run_failure_sensor
from tests.factories.lake_tables import DAY, NOON, a_posting, rows_of
from tests.fakes.books import FakeBooks, a_deposit_file, an_account
from tests.fakes.clock import FakeClock
from tests.fakes.expected_files import FakeExpectedFiles
from tests.fakes.lake import FakeLake
from tests.fakes.notifier import FakeNotifier
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.transaction_log import FakeTransactionLog

pytestmark = pytest.mark.dagster

EVE = date(2026, 11, 19)
ANA = an_account("ana", available_minor=700, ledger_seq=2, deposits_minor=1000, spends_minor=300)
LOG = [a_posting("ana", 1000, 1), a_posting("ana", -300, 2)]


def a_log(*rows: Mapping[str, object]) -> FakeTransactionLog:
    return FakeTransactionLog(rows_of("transaction_log", *rows).to_dicts())


def close(
    books: FakeBooks,
    log: FakeTransactionLog,
    lake: FakeLake,
    notifier: FakeNotifier | None = None,
    instance: dg.DagsterInstance | None = None,
) -> dg.ExecuteInProcessResult:
    """The close of DAY without dbt; `published` stands for what a break must not reach."""

    @dg.asset(deps=["reconciliation"])
    def published() -> None:
        """Downstream of the verdict."""

    steps = [exporting, reconciling, verdict, published]
    return dg.materialize(
        [*steps, each_event_is_in_the_transaction_log_once],
        partition_key=str(DAY),
        resources={
            "books": books,
            "log_reader": log,
            "lake": lake,
            "lake_books": DuckDbLakeBooks(lake),
            "raw_store": FakeObjectStore(),
            "expected_files": FakeExpectedFiles(),
            "clock": FakeClock(),
            "notifier": notifier or FakeNotifier(),
        },
        instance=instance,
        raise_on_error=False,
    )


def failed_checks(result: dg.ExecuteInProcessResult) -> set[str]:
    return {check.check_name for check in result.get_asset_check_evaluations() if not check.passed}


def was_published(result: dg.ExecuteInProcessResult) -> bool:
    return bool(result.asset_materializations_for_node("published"))


def test_agreeing_sources_close_the_day_with_every_check_passed() -> None:
    lake = FakeLake()

    result = close(
        FakeBooks([ANA], [a_deposit_file(0, 0, accepted_rows=0, credited_rows=0)]),
        a_log(*LOG),
        lake,
    )

    assert result.success
    assert len(result.get_asset_check_evaluations()) == len(COMPARISONS) + 1
    assert was_published(result)
    assert lake.frames["balances", DAY, "snapshot"].rows() == [
        ("default", "ana", "USD", 700, 0, 700, 2)
    ]
    assert lake.frames["transaction_log", DAY, "snapshot"].height == 2


@pytest.mark.parametrize(
    ("books", "rows", "check"),
    [
        (FakeBooks([{**ANA, "deposits_minor": 999}]), LOG, "ledger_balance_equals_sum_of_postings"),
        (FakeBooks([ANA]), LOG[:1], "transaction_log_adds_up_to_balances"),
        (FakeBooks([{**ANA, "open_holds_minor": 1}]), LOG, "held_balance_equals_open_holds"),
        (
            FakeBooks([ANA], [a_deposit_file(500, 499)]),
            LOG,
            "deposits_posted_equal_control_totals",
        ),
    ],
)
def test_break_fails_its_own_check_and_blocks_publication(
    books: FakeBooks, rows: list[dict[str, object]], check: str
) -> None:
    lake = FakeLake()

    result = close(books, a_log(*rows), lake)

    assert check in failed_checks(result)
    assert not was_published(result)
    assert lake.frames["reconciliation_breaks", DAY, "snapshot"].height >= 1


def test_break_is_an_alarm_of_its_own_until_the_books_agree() -> None:
    notifier, lake = FakeNotifier(), FakeLake()
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(2):
            result = close(
                FakeBooks([{**ANA, "deposits_minor": 999}]), a_log(*LOG), lake, notifier, instance
            )
            tell_of_failure(result, instance, notifier)

        ((subject, message, runbook), *again) = notifier.alarms
        assert subject == "The books of 2026-11-20 disagree: 1 break"
        assert message.startswith(
            "Money is at risk. ana of default: balances has 7.00 USD but postings has 6.99 USD "
            "(ledger_balance_equals_sum_of_postings)."
        )
        assert runbook == "docs/runbooks/reconciliation-breaks.md"
        assert [alarm[0] for alarm in again] == [subject], (
            "no second alarm says that the run failed"
        )
        assert notifier.severities == {"books:2026-11-20": Severity.CRITICAL}

        close(FakeBooks([ANA]), a_log(*LOG), lake, notifier, instance)

    assert notifier.open == {}
    assert "agree" in notifier.resolved[0][1]


def test_check_that_could_not_be_evaluated_says_why() -> None:
    log = a_log({**LOG[0], "occurred_at": NOON.replace(day=19)}, LOG[1])
    notifier = FakeNotifier()
    with dg.DagsterInstance.ephemeral() as instance:
        result = close(FakeBooks([ANA]), log, FakeLake(), notifier, instance)
        tell_of_failure(result, instance, notifier)

        (subject,) = [alarm[0] for alarm in notifier.alarms]
        key = dg.AssetCheckKey(dg.AssetKey("reconciliation"), COMPARISONS[0].check)
        (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)

    assert "failed for 2026-11-20" in subject
    assert record.event is not None
    assert record.event.dagster_event is not None
    told = record.event.dagster_event.asset_check_evaluation_data
    assert not told.passed
    assert "could not be evaluated" in str(told.description)
    assert "2026-11-19" in str(told.description), "which date's log is missing"
    assert result.run_id in str(told.description)


def tell_of_failure(
    result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance, notifier: FakeNotifier
) -> None:
    """What the run-failure sensor does with it."""
    context = dg.build_run_status_sensor_context(
        sensor_name="run_failure_sensor",
        dagster_event=result.get_run_failure_event(),
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        resources={"notifier": notifier},
    ).for_run_failure()
    run_failure_sensor()(context)


def test_deposits_missing_in_the_lake_are_a_break_of_the_program() -> None:
    lake = FakeLake()
    lake.write("deposits", DAY, "1", rows_of("deposits", {"amount_minor": 400}))

    result = close(FakeBooks([ANA], [a_deposit_file(500, 500)]), a_log(*LOG), lake)

    assert failed_checks(result) == {"deposits_in_the_lake_equal_deposits_posted"}
    (found,) = lake.frames["reconciliation_breaks", DAY, "snapshot"].rows()
    assert found[:7] == ("default", None, "USD", "lake_deposits", "deposit_events", 400, 500)
    assert found[7:] == (
        "deposits_in_the_lake_equal_deposits_posted",
        "intake file 1 (incoming/deposits/a.csv)",
        "minor",
    )


def test_earlier_dates_that_are_not_final_are_exported_again() -> None:
    lake = FakeLake()
    before = NOON.replace(day=19)
    log = a_log({**LOG[0], "occurred_at": before}, LOG[1])
    lake.write("transaction_log", EVE, "snapshot", empty_frame("transaction_log"))

    result = close(FakeBooks([ANA], pending=[EVE, DAY]), log, lake)

    assert result.success
    assert lake.frames["transaction_log", EVE, "snapshot"].height == 1
    assert set(log.exports) == {EVE, DAY}


def test_busy_date_without_export_fails_reconciliation() -> None:
    log = a_log({**LOG[0], "occurred_at": NOON.replace(day=19)}, LOG[1])

    result = close(FakeBooks([ANA]), log, FakeLake())

    assert not result.success
    assert not was_published(result)
    assert any("2026-11-19" in str(event) for event in result.all_events if event.is_step_failure)


def test_duplicate_event_in_the_log_fails_a_check() -> None:
    result = close(FakeBooks([ANA]), a_log(*LOG, LOG[1]), FakeLake())

    assert "each_event_is_in_the_transaction_log_once" in failed_checks(result)
