"""The report of a date shows what was known at its close, also when it is made later; its editions are kept."""

from datetime import date, timedelta
from pathlib import Path
from random import Random

import duckdb
import pytest
import yaml

from cardops.adapters.warehouse.dbt import PROJECT_DIR
from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse
from cardops.adapters.warehouse.reports import DuckDbReports
from cardops.rules.reports import Edition
from tests.dbt.test_incremental_builds import ChangingLake, build
from tests.factories.daily_reports import DAY, MADE_AT
from tests.factories.lake_tables import NOON, rows_of
from tests.fakes.lake import FakeLake
from tests.servers.plain_dbt import PlainDbt

EXPOSURES = yaml.safe_load((PROJECT_DIR / "models/marts/_exposures.yml").read_text())["exposures"]
READ = [
    name.split("'")[1]
    for exposure in EXPOSURES
    if exposure["name"] == "daily_report"
    for name in exposure["depends_on"]
]


@pytest.fixture(scope="module")
def dbt() -> PlainDbt:
    """What the exposure of the report names, and nothing else, is built for a past date."""
    return PlainDbt(READ)


def close(lake: FakeLake, day: date, number: int) -> None:
    """What a close writes beside the day's files: what people decided, and disputed money."""
    record = {"network": "visa", "case_number": "c-1", "owner": f"owner-{number}"}
    lake.write("dispute_records", day, "snapshot", rows_of("dispute_records", record))
    credit = {
        "case_number": "c-2",
        "needs_person": True,
        "user_id": f"user-{number}",
        "as_of_on": day,
    }
    lake.write("provisional_credits", day, "snapshot", rows_of("provisional_credits", credit))


def shown(reports: DuckDbReports, day: date) -> dict[str, list[dict[str, object]]]:
    return {name: frame.to_dict("records") for name, frame in reports.figures(day).items()}


@pytest.mark.parametrize("seed", [5])
def test_report_of_a_date_is_the_same_whatever_arrives_later(
    tmp_path: Path, dbt: PlainDbt, seed: int
) -> None:
    changing = ChangingLake(Random(seed))  # noqa: S311 - not for secrets
    for _ in range(25):
        changing.change()
    day = changing.day
    close(changing.lake, day, 1)
    build(dbt, changing.lake, tmp_path)
    reports = DuckDbReports(DuckDbWarehouse(tmp_path), tmp_path / "reports", changing.lake, dbt.run)
    earlier = sorted({found for _, found, _ in changing.lake.frames})[-3]
    first, first_of_earlier = shown(reports, day), shown(reports, earlier)
    known = dict(changing.lake.frames)

    while changing.day < day + timedelta(days=9):
        changing.change()
    # What is restated under its old date changes what that date knew.
    later = {file: frame for file, frame in changing.lake.frames.items() if file[1] > day}
    changing.lake.frames = {**known, **later}
    reopened = {"case_number": "c-1", "activity_date": NOON + timedelta(days=60), "status": "open"}
    news = rows_of("chargebacks", reopened, {"case_number": "new", "row_number": 2})
    changing.lake.write("chargebacks", changing.day, "news", news)
    close(changing.lake, changing.day, 2)
    build(dbt, changing.lake, tmp_path)

    assert shown(reports, day) == first
    newest = shown(reports, changing.day)
    changed = {name for name in first if newest[name] != first[name]}
    assert {"disputes", "failure_rates", "chargeback_rates", "matches", "provisional"} <= changed
    assert shown(reports, earlier) == first_of_earlier
    assert shown(reports, day) == first


def test_dbt_builds_the_marts_of_a_past_date(tmp_path: Path, dbt: PlainDbt) -> None:
    lake = FakeLake()
    for place in range(2):
        dispute = {
            "case_number": f"c-{place}",
            "row_number": place,
            "reply_by_on": DAY,
            "clock": "feed",
        }
        lake.write("chargebacks", DAY + timedelta(days=place), "1", rows_of("chargebacks", dispute))
    build(dbt, lake, tmp_path)
    reports = DuckDbReports(DuckDbWarehouse(tmp_path), tmp_path / "reports", lake)

    found = {day: shown(reports, DAY + timedelta(days=day))["deadlines"] for day in range(2)}

    assert [row["case_number"] for row in found[0]] == ["c-0"]
    assert found[0][0]["days_left"] == 0
    assert found[1] == []  # the reply date has passed


def test_other_page_of_a_date_is_a_new_edition_and_the_former_is_kept(tmp_path: Path) -> None:
    reports = DuckDbReports(DuckDbWarehouse(tmp_path), tmp_path / "reports", FakeLake())
    head = '<meta name="cardops-edition" content="{} {} {}">'
    first, second = Edition(1, MADE_AT, "aa"), Edition(2, MADE_AT + timedelta(days=9), "bb")

    assert reports.newest_edition(DAY) is None
    for edition in (first, second):
        page = head.format(edition.number, edition.made_at.isoformat(), edition.content_sha256)
        reports.write_page(DAY, page)
        assert reports.newest_edition(DAY) == edition

    kept = reports.page_path(DAY, first)
    assert kept.name == "daily_report_2026-11-20_edition_1.html"
    assert "1 2026-11-21T01:02:00+00:00 aa" in kept.read_text()


def test_page_that_does_not_say_its_edition_is_the_first(tmp_path: Path) -> None:
    reports = DuckDbReports(DuckDbWarehouse(tmp_path), tmp_path / "reports", FakeLake())
    reports.write_page(DAY, "<html>")

    found = reports.newest_edition(DAY)

    assert found is not None
    assert found.number == 1
    assert found.next(MADE_AT, "aa") == Edition(2, MADE_AT, "aa")


def test_date_is_built_when_its_balances_are(tmp_path: Path) -> None:
    """Where it is not, `cardops report` closes it first."""
    warehouse = DuckDbWarehouse(tmp_path)
    reports = DuckDbReports(warehouse, tmp_path / "reports", FakeLake())
    assert not reports.is_built(DAY), "nothing was built yet"

    warehouse.build_file.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(warehouse.build_file)) as session:
        session.execute("create schema marts")
        session.execute(
            "create table marts.fct_daily_balances as select cast(? as date) as business_date",
            [DAY],
        )

    assert reports.is_built(DAY)
    assert not reports.is_built(DAY - timedelta(days=1))
