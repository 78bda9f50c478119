"""The marts of simulated files say what the files' truth says, and a fault in a mart is a difference.

The files go through the real intake, and the marts are built of the project's own models, without dbt.
"""

from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse
from cardops.rules.intake.files import Kind
from cardops.services.intake.ingestion import ingest_file
from orchestration.demo.kpis import read_answers, read_kpi, read_kpis, read_monitoring
from orchestration.demo.truth import (
    answer_differences,
    health_differences,
    kpi_differences,
    monitoring_differences,
)
from simulation.file_formats import write_input_file
from simulation.generator import DEFAULT_HISTORY_END, DEFAULT_SEED, Day, make_day
from simulation.ill_provider import attempts_until, write_file
from simulation.monitored_merchant import Month, monitoring_truth, sales_attempts, write_files
from simulation.provider_health_truth import provider_health_truth
from tests.factories.intake_environment import IntakeWorld
from tests.fakes.clock import FakeClock
from tests.fakes.lake import FakeLake
from tests.servers.plain_dbt import PlainDbt

KPIS = (
    "fct_chargeback_rate_monthly",
    "fct_chargeback_rate_per_payment_method",
    "fct_dispute_outcomes",
    "fct_dispute_outcomes_monthly",
    "fct_disputes_outside_rates",
    "fct_payment_failure_daily",
    "fct_payment_failure_rate_per_payment_method",
    "fct_provider_health_daily",
)
PROVIDER_HEALTH = "fct_provider_health_daily"
MONITORING = "fct_monitoring_programmes"
ROWS = 400
PROGRAM = "default"
OCTOBER = Month(date(2026, 10, 1))


def noon(day: date) -> FakeClock:
    return FakeClock(datetime(day.year, day.month, day.day, 12, tzinfo=UTC))


def built(
    world: IntakeWorld, home: Path, *marts: str, fault: tuple[str, str, str] | None = None
) -> Path:
    """The marts of what the world's lake holds; `fault`: what the first of them says instead of what."""
    assert isinstance(world.lake, FakeLake)
    dbt = PlainDbt(marts)
    if fault:
        dbt.change(*fault)
    warehouse = DuckDbWarehouse(home)
    with warehouse.building(world.lake) as variables:
        dbt.run(variables)
    return warehouse.build_file


def marts_of(build: Path) -> duckdb.DuckDBPyConnection:
    session = duckdb.connect(str(build), read_only=True)
    session.execute("set search_path = 'marts'")
    return session


@pytest.fixture(scope="module")
def day() -> Day:
    return make_day(ROWS, DEFAULT_SEED, DEFAULT_HISTORY_END)


@pytest.fixture(scope="module")
def world(day: Day, tmp_path_factory: pytest.TempPathFactory) -> IntakeWorld:
    """After all payments and disputes of the day, and what they released."""
    folder, world = tmp_path_factory.mktemp("day"), IntakeWorld(clock=noon(date(2026, 11, 20)))
    for file in day.files:
        if file.kind != Kind("deposits"):
            write_input_file(file, folder / file.name)
            content = (folder / file.name).read_bytes()
            result = world.ingest(str(file.kind), content, name=file.name)
            for key in result.released:
                ingest_file(world.claim(key), world.ports)
    return world


def found_differences(day: Day, build: Path) -> list[str]:
    with marts_of(build) as session:
        kpis, answers = read_kpis(session, PROGRAM), read_answers(session, PROGRAM)
    return [*kpi_differences(day.truth, kpis), *answer_differences(day.truth, answers)]


def test_kpis_of_a_day_are_those_of_its_truth(day: Day, world: IntakeWorld, tmp_path: Path) -> None:
    assert found_differences(day, built(world, tmp_path, *KPIS)) == []


OUTCOMES, MONTHLY = "fct_dispute_outcomes", "fct_dispute_outcomes_monthly"


@pytest.mark.parametrize(
    ("kpi", "fault"),
    [
        ("dispute_outcomes_by_reason", (OUTCOMES, "where not fct_disputes.is_inquiry", "")),
        (
            "dispute_outcomes_monthly",
            (MONTHLY, "coalesce(resolved_on, business_date)", "opened_on"),
        ),
        ("provider_health", (PROVIDER_HEALTH, "and 1 preceding", "and current row")),
    ],
)
def test_fault_in_a_mart_is_a_difference(
    day: Day, world: IntakeWorld, tmp_path: Path, kpi: str, fault: tuple[str, str, str]
) -> None:
    with marts_of(built(world, tmp_path, fault[0], fault=fault)) as session:
        found = {kpi: read_kpi(session, PROGRAM, kpi)}

    assert kpi_differences({"kpis": {kpi: day.truth["kpis"][kpi]}}, found)


def test_step_without_a_date_that_is_placed_at_the_disputes_own_is_a_difference(
    day: Day, world: IntakeWorld, tmp_path: Path
) -> None:
    fault = ("int_disputes_answered", "utc_date('activity_date')", "utc_date('happened_at')")

    with marts_of(built(world, tmp_path, OUTCOMES, fault=fault)) as session:
        found = read_answers(session, PROGRAM)

    assert answer_differences(day.truth, found)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> IntakeWorld:
    """After the files of merchants near a line and of ill providers, all of the first of November."""
    folder, world = tmp_path_factory.mktemp("watched"), IntakeWorld()
    return ingested_on(date(2026, 11, 1), folder, world)


def ingested_on(day: date, folder: Path, world: IntakeWorld) -> IntakeWorld:
    world.clock = noon(day)
    paths = [
        *write_files(folder, OCTOBER).items(),
        ("transactions", write_file(folder, OCTOBER.last)),
    ]
    for kind, path in paths:
        assert world.submit(kind, path.read_bytes(), name=path.name).error is None
    return world


@pytest.mark.parametrize("closed_on", [date(2026, 10, 4), date(2026, 10, 20), date(2026, 11, 1)])
def test_merchants_stand_where_their_truth_says_early_late_and_after_the_month(
    closed_on: date, tmp_path: Path
) -> None:
    world = ingested_on(closed_on, tmp_path / "files", IntakeWorld())

    with marts_of(built(world, tmp_path, MONITORING)) as session:
        found = read_monitoring(session, PROGRAM, OCTOBER.first)

    assert monitoring_differences(monitoring_truth(OCTOBER, closed_on), found) == []


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("cases.excluded_because is null", "true"),
        ("{{ next_month_of('sales.month') }}", "sales.month"),
    ],
)
def test_fault_in_monitoring_is_a_difference(
    watched: IntakeWorld, tmp_path: Path, said: str, says: str
) -> None:
    build = built(watched, tmp_path, MONITORING, fault=(MONITORING, said, says))

    with marts_of(build) as session:
        found = read_monitoring(session, PROGRAM, OCTOBER.first)
    assert monitoring_differences(monitoring_truth(OCTOBER, date(2026, 11, 1)), found)


def health_of(world: IntakeWorld, home: Path, fault: tuple[str, str] | None = None) -> list[str]:
    change = (PROVIDER_HEALTH, *fault) if fault else None
    attempts = (*attempts_until(OCTOBER.last), *sales_attempts(OCTOBER))
    with marts_of(built(world, home, PROVIDER_HEALTH, fault=change)) as session:
        found = read_kpi(session, PROGRAM, "provider_health")
    return health_differences(provider_health_truth(attempts), found)


def test_providers_are_as_ill_as_their_truth_says(watched: IntakeWorld, tmp_path: Path) -> None:
    assert health_of(watched, tmp_path) == []


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("(cast(base_failed_count as double) + 1)", "cast(base_failed_count as double)"),
        ("when payment_failure_rate < band_lower then 'below'", ""),
        ("and failed_count >= {{ var('provider_health_failures') }}", ""),
    ],
)
def test_fault_in_provider_health_is_a_difference(
    watched: IntakeWorld, tmp_path: Path, said: str, says: str
) -> None:
    assert health_of(watched, tmp_path, (said, says))
