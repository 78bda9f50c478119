"""Data tests read by night what changed since they passed, and everything once a week."""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from cardops.adapters.warehouse.build_records import sunday_before
from cardops.adapters.warehouse.dbt import DbtFailedError
from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse
from tests.factories.lake_tables import a_balance, rows_of
from tests.fakes.lake import FakeLake
from tests.servers.warm_dbt import WarmDbt, warm_dbt

pytestmark = pytest.mark.timeout(900)
MONDAY = date(2026, 11, 16)
SELECTED = "+fct_daily_balances"
IDENTITY = "assert_ledger_balance_is_available_plus_held"


@pytest.fixture(scope="module")
def dbt() -> Iterator[WarmDbt]:
    with warm_dbt() as dbt:
        yield dbt


class Nights:
    """Builds of one home, each upon the former, over closing balances of a few dates."""

    def __init__(self, dbt: WarmDbt, home: Path) -> None:
        self._dbt, self._warehouse, self.lake = dbt, DuckDbWarehouse(home), FakeLake()

    def close(self, day: date, *, held_minor: int = 0, is_wrong: bool = False) -> None:
        """Write or restate one date."""
        balance = a_balance("ana", 1000, 1, held_minor=held_minor)
        wrong = {"ledger_minor": 1} if is_wrong else {}
        self.lake.write("balances", day, "snapshot", rows_of("balances", {**balance, **wrong}))

    def build(self) -> set[str]:
        """The tests that failed."""
        arguments = ["build", "--quiet", "--indirect-selection", "cautious", "--select", SELECTED]
        with self._warehouse.building(self.lake) as environment, suppress(DbtFailedError):
            self._dbt.run([*arguments, "--exclude-resource-type=unit_test"], dict(environment))
        return {
            result["unique_id"].split(".")[2]
            for result in self._results()
            if result["status"] not in ("success", "pass")
        }

    def read_rows(self, test: str) -> int:
        """How many rows of its model the test read in the newest build."""
        (code,) = (
            result["compiled_code"]
            for result in self._results()
            if result["unique_id"].startswith(f"test.cardops.{test}")
        )
        source = code.partition("from ")[2].rpartition("where ")[0]
        with duckdb.connect(str(self._warehouse.build_file), read_only=True) as session:
            query = f"select count(*) from {source}"  # noqa: S608 - dbt's own
            ((count,),) = session.execute(query).fetchall()
        return int(count)

    def damage(self, day: date) -> None:
        """Change a row behind dbt's back, as no build would."""
        with duckdb.connect(str(self._warehouse.build_file)) as session:
            session.execute(
                "update marts.fct_daily_balances set ledger_minor = 1 where business_date = ?",
                [day],
            )

    def _results(self) -> list[dict[str, str]]:
        path = self._warehouse.target_path / "run_results.json"
        found: list[dict[str, str]] = json.loads(path.read_text())["results"]
        return found


@pytest.fixture(scope="module")
def nights(dbt: WarmDbt, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """A week's Monday and Tuesday, built and tested whole."""
    nights = Nights(dbt, tmp_path_factory.mktemp("home"))
    nights.close(MONDAY)
    nights.close(MONDAY + timedelta(days=1))
    assert nights.build() == set()
    return nights


def test_fault_in_a_restated_day_is_reported_until_it_is_mended(nights: Nights) -> None:
    assert nights.read_rows(IDENTITY) == 2

    nights.close(MONDAY, is_wrong=True)
    assert nights.build() == {IDENTITY}
    assert nights.read_rows(IDENTITY) == 1

    # Nothing of that date changes in the next build.
    nights.close(MONDAY + timedelta(days=2))
    assert nights.build() == {IDENTITY}
    assert nights.read_rows(IDENTITY) == 2

    nights.close(MONDAY, held_minor=5)
    assert nights.build() == set()


def test_rows_that_no_build_changed_are_read_on_sunday(nights: Nights) -> None:
    nights.damage(MONDAY + timedelta(days=1))
    nights.close(MONDAY + timedelta(days=4))
    assert nights.build() == set()
    assert nights.read_rows(IDENTITY) == 1

    nights.close(MONDAY + timedelta(days=6))
    assert nights.build() == {IDENTITY}
    # A Sunday's test that failed reads everything again on Monday.
    nights.close(MONDAY + timedelta(days=7))
    assert nights.build() == {IDENTITY}


@pytest.mark.parametrize(
    ("day", "sunday"),
    [(MONDAY, 15), (MONDAY + timedelta(days=5), 15), (MONDAY + timedelta(days=6), 22)],
)
def test_week_of_tests_begins_on_sunday(day: date, sunday: int) -> None:
    assert sunday_before(day) == date(2026, 11, sunday)
