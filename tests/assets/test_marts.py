"""The marts through Dagster: one dbt build, its tests as checks, publication and the report."""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.balances import exporting
from assets.daily_report import daily_report
from assets.marts import MARTS, marts_assets
from assets.reconciliation import reconciling
from assets.source_tests import source_evaluations, source_tests
from cardops.adapters.warehouse.dbt import ensure_manifest
from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse, open_published
from cardops.rules.reports import SourceTest
from resources.dbt import dbt_resource
from tests.factories.closes import close_marts
from tests.factories.lake_tables import DAY, a_balance, a_posting, rows_of
from tests.fakes.lake import FakeLake
from tests.servers.warm_dbt import every_dbt_is_warm

pytestmark = [
    pytest.mark.dagster,
    pytest.mark.timeout(900),
    # dagster-dbt itself calls it.
    pytest.mark.filterwarnings("ignore:AssetExecutionContext.op is:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with every_dbt_is_warm():
        yield tmp_path_factory.mktemp("home")


# What fails where the books do not close, before the models that are made of both sides.
MONEY_TEST = "assert_movements_add_up_to_latest_balances"


def a_lake_with_a_break(balance_minor: int = 701) -> FakeLake:
    """A balance that is not the sum of its movements: a break, and a dbt test that fails."""
    lake = FakeLake()
    log = [a_posting("ana", 1000, 1), a_posting("ana", -300, 2)]
    lake.write("transaction_log", DAY, "snapshot", rows_of("transaction_log", *log))
    balance = a_balance("ana", balance_minor, 2)
    lake.write("balances", DAY, "snapshot", rows_of("balances", balance))
    found = rows_of("reconciliation_breaks", {"user_id": "ana", "amount_a_minor": 701})
    lake.write("reconciliation_breaks", DAY, "snapshot", found)
    disputes = [
        {"row_number": place, "case_number": case, "clock": "feed", "reply_by_on": day}
        for place, (case, day) in enumerate(
            {"near": DAY + timedelta(days=2), "late": DAY - timedelta(days=2)}.items()
        )
    ]
    lake.write("chargebacks", DAY, "1", rows_of("chargebacks", *disputes))
    recorded = {"network": "visa", "case_number": "near", "owner": "bea"}
    lake.write("dispute_records", DAY, "snapshot", rows_of("dispute_records", recorded))
    return lake


@pytest.fixture(scope="module")
def broken(home: Path) -> dg.ExecuteInProcessResult:
    return close_marts(a_lake_with_a_break(), home)


def test_every_mart_is_built_and_every_dbt_test_is_a_check(
    broken: dg.ExecuteInProcessResult,
) -> None:
    built = {
        key.to_user_string()
        for key in (event.asset_key for event in broken.get_asset_materialization_events())
        if key
    }
    checks = {check.check_name for check in broken.get_asset_check_evaluations()}

    assert set(MARTS) <= built
    assert "assert_no_permit_overdraws" in checks
    assert MONEY_TEST in checks
    assert "balance_key_is_key" in checks


def test_every_test_of_a_table_of_the_lake_is_a_check_of_its_asset(
    broken: dg.ExecuteInProcessResult,
) -> None:
    declared = {
        key for key in source_tests(ensure_manifest()).check_keys if key.name.endswith("_not_null")
    }
    evaluated = {
        check.asset_check_key: check.passed for check in broken.get_asset_check_evaluations()
    }

    assert {key.asset_key.to_user_string() for key in declared} == {
        "balances", "chargebacks", "deposits", "fraud_reports", "orders", "pre_dispute_outcomes", "transaction_log", "transactions",
    }  # fmt: skip
    assert {key: evaluated.get(key) for key in declared} == dict.fromkeys(declared, True)


def test_table_that_the_close_left_out_is_a_warning_on_its_asset(
    broken: dg.ExecuteInProcessResult,
) -> None:
    found = {
        check.check_name.removesuffix("_is_of_the_newest_closed_date"): check
        for check in broken.get_asset_check_evaluations()
        if check.check_name.endswith("_is_of_the_newest_closed_date")
    }
    waiting = found["waiting_disputes"]

    assert len(found) == 12
    assert found["balances"].passed
    assert (waiting.passed, waiting.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "It has the newest date that was closed." in str(waiting.description)
    assert waiting.metadata["runbook"].value == "docs/runbooks/source-tests.md"


def test_failed_test_of_a_table_says_what_is_not_so_and_what_to_do() -> None:
    manifest = json.loads(ensure_manifest().read_text())
    name = next(name for name in manifest["nodes"] if "not_null_lake_deposits" in name)
    found = SourceTest(name, passed=False, is_warning=False, failed_rows=3, message="Got 3 results")

    (evaluation,) = source_evaluations(manifest, [found])

    assert evaluation.asset_check_key == dg.AssetCheckKey(
        dg.AssetKey("deposits"), "deposits_amount_minor_is_not_null"
    )
    assert (evaluation.passed, evaluation.metadata["failed_rows"].value) == (False, 3)
    assert evaluation.metadata["runbook"].value == "docs/runbooks/source-tests.md"
    assert "table deposits" in str(evaluation.description)
    assert "No row lacks amount_minor." in str(evaluation.description)


def test_checks_by_themselves_tell_what_the_newest_build_found(
    broken: dg.ExecuteInProcessResult, home: Path
) -> None:
    checks = source_tests(ensure_manifest())
    definitions = dg.Definitions(
        asset_checks=[checks],
        assets=[dg.AssetSpec(key) for key in {key.asset_key for key in checks.check_keys}],
        jobs=[dg.define_asset_job("told", dg.AssetSelection.all_asset_checks())],
        resources={"warehouse": DuckDbWarehouse(home)},
    )

    result = definitions.resolve_job_def("told").execute_in_process()

    assert {check.asset_check_key for check in result.get_asset_check_evaluations()} == set(
        checks.check_keys
    )


def test_models_show_rows_types_lineage_and_duration(broken: dg.ExecuteInProcessResult) -> None:
    materialized = [
        event.step_materialization_data.materialization
        for event in broken.get_asset_materialization_events()
    ]
    models = {
        made.asset_key.to_user_string(): made.metadata
        for made in materialized
        if "unique_id" in made.metadata
    }
    balances_of_days = models["fct_daily_balances"]
    schema = balances_of_days["dagster/column_schema"].value
    assert isinstance(schema, dg.TableSchema)
    types = {column.name: column.type for column in schema.columns}

    assert set(MARTS) <= set(models)
    assert balances_of_days["dagster/row_count"].value == 1
    assert (types["business_date"], types["ledger_minor"]) == ("DATE", "BIGINT")
    assert [name for name, shown in models.items() if "dagster/column_schema" not in shown] == []
    assert [name for name, shown in models.items() if not _has_lineage_of_all_columns(shown)] == []
    assert _origins(models["fct_daily_balances"], "ledger_minor") == {
        ("stg_lake__balances", "ledger_minor")
    }
    assert _origins(models["stg_lake__balances"], "ledger_minor") == {("balances", "ledger_minor")}
    assert [name for name, shown in models.items() if "dagster/row_count" not in shown] == []
    assert [name for name, shown in models.items() if "Execution Duration" not in shown] == []
    assert models["stg_lake__balances"]["dagster/row_count"].value == 1


def _has_lineage_of_all_columns(shown: Mapping[str, Any]) -> bool:
    if shown["unique_id"].value.startswith("seed."):  # a file of the repository
        return True
    types, lineage = (shown[f"dagster/column_{part}"].value for part in ("schema", "lineage"))
    names: set[str] = {column.name for column in types.columns}
    return names == set(lineage.deps_by_column)


def _origins(shown: Mapping[str, Any], column: str) -> set[tuple[str, str]]:
    origins = shown["dagster/column_lineage"].value.deps_by_column[column]
    return {(origin.asset_key.to_user_string(), origin.column_name) for origin in origins}


def test_checks_and_models_say_what_they_mean() -> None:
    (models, _) = marts_assets(ensure_manifest())
    checks = list(models.check_specs)

    assert len(checks) > 100
    assert [check.name for check in checks if len(check.description or "") < 10] == []
    assert [check.name for check in checks if len(check.name) > 60] == []
    assert {check.blocking for check in checks} == {False}
    assert [key for key, text in models.descriptions_by_key.items() if "Raw SQL" in text] == []


def test_break_and_failed_dbt_test_are_reported_and_block_publication(
    broken: dg.ExecuteInProcessResult, home: Path
) -> None:
    page = (home / "reports" / f"daily_report_{DAY}.html").read_text()

    assert not broken.success
    assert "1 test of the marts failed in the newest build" in page
    assert MONEY_TEST in page.partition('id="failed-tests"')[2]
    assert "1 reconciliation break: the books do not close." in page
    assert "7.01" in page
    assert not (home / "published").exists()


def test_report_has_the_work_queue_and_the_files_of_the_batches(
    broken: dg.ExecuteInProcessResult, home: Path
) -> None:
    page = (home / "reports" / f"daily_report_{DAY}.html").read_text()
    metadata = broken.asset_materializations_for_node("daily_report")[0].metadata

    due = page.partition('id="deadlines"')[2].partition("</table>")[0]
    overdue = page.partition('id="overdue"')[2].partition("</table>")[0]
    assert [text in due for text in ("<bdi>near</bdi>", "<bdi>bea</bdi>", "<bdi>late</bdi>")] == [
        True,
        True,
        False,
    ]
    assert "<bdi>late</bdi>" in overdue
    assert "default-2026-11-20-001" in page.partition('id="batch-files"')[2]
    assert metadata["overdue_disputes"].value == 1
    assert metadata["disputes_to_answer_in_7_days"].value == 1
    assert "data:image/svg+xml" in str(metadata["disputes_by_stage_and_days_left"].value)
    assert "1 reconciliation break" in str(metadata["needs_a_person"].value)
    assert len(metadata["chargeback_files"].value.records) == 4


def test_reconciled_day_is_published_for_analysts(
    broken: dg.ExecuteInProcessResult, home: Path
) -> None:
    lake = a_lake_with_a_break(balance_minor=700)
    lake.write("reconciliation_breaks", DAY, "snapshot", rows_of("reconciliation_breaks"))

    result = close_marts(lake, home)

    assert result.success
    with open_published(home) as session:
        rows = session.execute("select user_id, ledger_minor from fct_daily_balances").fetchall()
    assert rows == [("ana", 700)]


def test_daily_close_is_one_dbt_build() -> None:
    steps = [exporting, reconciling, daily_report]
    needed = (
        "lake", "warehouse", "reports", "delivery_ledger", "acknowledgement_ledger", "intake_ledger", "source_controls", "waiting_list", "ring_snapshots", "dispute_alarms", "raised_monitoring_alarms", "breakers", "clock", "books", "log_reader", "lake_books", "raw_store", "expected_files", "incidents",
    )  # fmt: skip
    manifest = ensure_manifest()
    definitions = dg.Definitions(
        assets=[*marts_assets(manifest), *steps],
        asset_checks=[source_tests(manifest)],
        jobs=[dg.define_asset_job("close", "*")],
        resources={"dbt": dbt_resource(), **dict.fromkeys(needed, object())},
    )

    nodes = [node.name for node in definitions.resolve_job_def("close").nodes]

    assert [name for name in nodes if name.startswith("dbt_models")] == ["dbt_models"]
    assert "source_tests" in nodes
