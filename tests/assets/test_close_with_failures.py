"""A close in which a part of analytics fails: everything else is made, the report says so, the run is red."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from typing_extensions import override

from assets.fraud_rings import MADE
from cardops.adapters.warehouse.duckdb_warehouse import open_published
from cardops.adapters.warehouse.ring_sources import LakeRingSources
from cardops.ports import RingActivity
from tests.factories.closes import close_marts, marts_of, plant_fault, project_of_the_report
from tests.factories.lake_tables import DAY, a_balance, a_posting, rows_of
from tests.fakes.lake import FakeLake
from tests.servers.warm_dbt import every_dbt_is_warm

pytestmark = [
    pytest.mark.dagster,
    pytest.mark.timeout(900),
    # dagster-dbt itself calls it.
    pytest.mark.filterwarnings("ignore:AssetExecutionContext.op is:DeprecationWarning"),
]
SHARED = "phone-1"


class FailingRingSources(LakeRingSources):
    """Finds who shares what, and then the disk is full."""

    @override
    def activity(self, as_of: date, links: pl.DataFrame) -> RingActivity:
        raise OSError(28, "No space left on device")


def a_lake(available_minor: int = 700) -> FakeLake:
    """A closed day of one account; two users share a phone."""
    lake = FakeLake()
    spent = 1000 - available_minor
    log = [a_posting("ana", 1000, 1), a_posting("ana", -spent, 2)]
    lake.write("transaction_log", DAY, "snapshot", rows_of("transaction_log", *log))
    balance = a_balance("ana", available_minor, 2)
    lake.write("balances", DAY, "snapshot", rows_of("balances", balance))
    lake.write("reconciliation_breaks", DAY, "snapshot", rows_of("reconciliation_breaks"))
    sales = [
        {"transaction_id": f"t-{user}", "row_number": row, "user_id": user, "device_id": SHARED}
        for row, user in enumerate(("ana", "bob"))
    ]
    lake.write("transactions", DAY, "1", rows_of("transactions", *sales))
    dispute = {"transaction_id": "t-ana", "case_number": "c-1"}
    lake.write("chargebacks", DAY, "2", rows_of("chargebacks", dispute))
    return lake


def report(home: Path) -> str:
    return (home / "reports" / f"daily_report_{DAY}.html").read_text()


def first_need(page: str) -> str:
    return page.partition('<ul class="needs">')[2].partition("</li>")[0]


def made(result: dg.ExecuteInProcessResult) -> set[str]:
    keys = (event.asset_key for event in result.get_asset_materialization_events())
    return {key.to_user_string() for key in keys if key}


def failures(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """Failed step -> its own error."""
    found = {}
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            found[event.step_key or ""] = str((error.cause or error).message if error else "")
    return found


def published_balance(home: Path) -> int:
    with open_published(home) as session:
        row = session.execute("select available_minor from fct_daily_balances").fetchone()
    assert row
    return int(row[0])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with every_dbt_is_warm():
        yield project_of_the_report(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def without_rings(home: Path, project: Path) -> dg.ExecuteInProcessResult:
    lake = a_lake()
    return close_marts(lake, home, project=project, ring_sources=FailingRingSources(lake))


@pytest.fixture(scope="module")
def faulty(without_rings: dg.ExecuteInProcessResult, project: Path) -> Path:
    """The project with a fault in a mart of disputes, which others read."""
    plant_fault(project, "fct_disputes")
    return project


@pytest.fixture(scope="module")
def without_disputes(
    page_without_rings: str, home: Path, faulty: Path
) -> dg.ExecuteInProcessResult:
    """The next run in that home, on other balances."""
    lake = a_lake(available_minor=600)
    return close_marts(lake, home, project=faulty, ring_sources=LakeRingSources(lake))


def test_marts_are_published_when_fraud_rings_fail(
    without_rings: dg.ExecuteInProcessResult, home: Path, project: Path
) -> None:
    assert marts_of(project) | {"published_marts", "daily_report"} <= made(without_rings)
    assert "fct_fraud_rings" in marts_of(project)
    assert "fraud_rings" not in made(without_rings)
    assert published_balance(home) == 700


def test_run_without_fraud_rings_is_failed_and_its_checks_say_why(
    without_rings: dg.ExecuteInProcessResult,
) -> None:
    checks = {check.check_name: check for check in without_rings.get_asset_check_evaluations()}

    assert not without_rings.success
    assert not checks[MADE].passed
    assert "No space left on device" in str(checks[MADE].description)
    assert list(failures(without_rings)) == ["daily_report"]
    assert "No space left on device" in failures(without_rings)["daily_report"]


@pytest.fixture(scope="module")
def page_without_rings(without_rings: dg.ExecuteInProcessResult, home: Path) -> str:
    return report(home)


def test_report_begins_with_the_rings_that_could_not_be_made(page_without_rings: str) -> None:
    need = first_need(page_without_rings)

    assert "The part Fraud rings could not be made because OSError" in need
    assert "No space left on device" in need
    assert "figures of Fraud rings are left out" in need
    assert "<code>run-failure.md</code>" in need
    assert '<a href="#failed-parts">' in need


def test_failed_model_keeps_only_its_readers_from_being_built(
    without_disputes: dg.ExecuteInProcessResult,
) -> None:
    built = made(without_disputes)

    assert {"fraud_rings", "daily_report", "fct_daily_balances", "fct_fraud_rings"} <= built
    assert not {"fct_disputes", "published_marts"} & built


def test_run_with_a_failed_model_is_failed_and_says_which(
    without_disputes: dg.ExecuteInProcessResult,
) -> None:
    reasons = failures(without_disputes)

    assert not without_disputes.success
    assert {"published_marts", "daily_report"} <= reasons.keys()
    assert "fct_disputes could not be built" in reasons["published_marts"]
    assert "no_such_column" in reasons["published_marts"]


def test_former_publication_stays_when_a_model_fails(
    without_disputes: dg.ExecuteInProcessResult, home: Path
) -> None:
    assert published_balance(home) == 700


def test_report_says_which_parts_are_of_the_build_before(
    without_disputes: dg.ExecuteInProcessResult, home: Path
) -> None:
    page = report(home)
    need = first_need(page)
    table = page.partition('id="failed-parts"')[2].partition("</table>")[0]

    assert "Disputes by stage and days left" in need
    assert "fct_disputes failed (" in need
    assert "are those of the build before" in need
    assert "left out" not in need
    assert "fct_disputes" in table
    # What was built is of this run, and rings that were made after all are no longer missing.
    assert "6.00" in page
    assert "No space left" not in page


def test_mart_that_was_never_built_is_left_out_of_the_report(tmp_path: Path, faulty: Path) -> None:
    result = close_marts(a_lake(), tmp_path, project=faulty)

    page = report(tmp_path)
    assert not result.success
    assert "Disputes by stage and days left" in first_need(page)
    assert "are left out" in first_need(page)
    assert "build before" not in first_need(page)
    assert "7.00" in page
    assert not (tmp_path / "published").exists()
