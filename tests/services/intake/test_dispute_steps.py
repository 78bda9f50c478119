"""Steps of disputes under the third version of their contract: date, direction, other money."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from cardops.adapters.object_stores.opening import open_store
from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse
from cardops.adapters.warehouse.lake import ParquetLake
from cardops.contracts.kinds.chargebacks import CHARGEBACKS as PROFILE
from cardops.contracts.lake.chargeback_csv import write_body
from cardops.rules.chargebacks.control_totals import read_control_totals
from tests.factories.disputed_files import CHARGEBACKS, DISPUTED
from tests.factories.intake_environment import IntakeWorld, csv_file
from tests.fakes.known_rows import FakeKnownRows

ADDED = (
    "activity_date",
    "direction",
    "settlement_amount_minor",
    "settlement_currency",
    "fee_amount_minor",
    "fee_currency",
    "transaction_auth_code",
    "clock_from",
    "reply_by_on",
    "clock",
    "happened_at",
)


def kept_of(world: IntakeWorld, header: str, line: str) -> dict[str, object]:
    outcome = world.submit("chargebacks", csv_file(f"{CHARGEBACKS},{header}", f"{DISPUTED},{line}"))
    assert (outcome.accepted, outcome.reasons) == (1, {})
    return world.rows("chargebacks").row(0, named=True)


def test_credit_is_negative_in_lake_file_and_control_totals(
    world: IntakeWorld, tmp_path: Path
) -> None:
    header = f"{CHARGEBACKS},direction"
    credit = DISPUTED.replace("c1", "c2").replace("25.00", "10.50")

    outcome = world.submit("chargebacks", csv_file(header, f"{DISPUTED},", f"{credit},Credit"))

    assert (outcome.accepted, outcome.totals_minor) == (2, {"USD": 1450})
    rows = world.rows("chargebacks")
    assert rows.select("dispute_amount_minor", "direction").rows() == [
        (2500, "debit"),
        (-1050, "credit"),
    ]
    written = write_body(rows.lazy(), tmp_path / "visa.csv")
    assert '"-10.50","USD"' in written.path.read_text()
    with written.path.open("rb") as content:
        assert read_control_totals(content).totals_minor == written.totals_minor == {"USD": 1450}


def test_each_amount_has_its_own_currency(world: IntakeWorld) -> None:
    kept = kept_of(
        world,
        "settlement_amount,settlement_currency,fee_amount,fee_currency,transaction_auth_code",
        "3750,JPY,15.00,EUR,A1B2C3",
    )

    assert (kept["settlement_amount_minor"], kept["settlement_currency"]) == (3750, "JPY")
    assert (kept["fee_amount_minor"], kept["fee_currency"]) == (1500, "EUR")
    assert kept["transaction_auth_code"] == "A1B2C3"


@pytest.mark.parametrize("zero", ["", "0", "0.00", "000.0"])
def test_nothing_settled_or_charged_is_no_amount(world: IntakeWorld, zero: str) -> None:
    kept = kept_of(world, "settlement_amount,fee_amount", f"{zero},{zero}")

    assert (kept["settlement_amount_minor"], kept["settlement_currency"]) == (None, None)
    assert (kept["fee_amount_minor"], kept["fee_currency"]) == (None, None)


def test_amount_without_a_currency_is_in_the_disputed_amounts(world: IntakeWorld) -> None:
    kept = kept_of(world, "settlement_amount,fee_amount,direction", "24.00,15,credit")

    assert (kept["settlement_amount_minor"], kept["settlement_currency"]) == (-2400, "USD")
    assert (kept["fee_amount_minor"], kept["fee_currency"]) == (1500, "USD")


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-12", datetime(2026, 11, 12, tzinfo=UTC)),
        ("2026-11-12T08:30:00+02:00", datetime(2026, 11, 12, 6, 30, tzinfo=UTC)),
    ],
)
def test_activity_is_a_date_or_an_instant(world: IntakeWorld, text: str, instant: datetime) -> None:
    assert kept_of(world, "activity_date", text)["activity_date"] == instant


def test_step_of_another_date_is_no_repeat(world: IntakeWorld) -> None:
    header = f"{CHARGEBACKS},activity_date"
    lines = [f"{DISPUTED},2026-11-1{day}" for day in (1, 1, 2)]

    outcome = world.submit("chargebacks", csv_file(header, *lines))

    assert (outcome.accepted, outcome.duplicate) == (2, 1)


def test_prevented_dispute_is_accepted(world: IntakeWorld) -> None:
    assert kept_of(world, "status,stage", "prevented,inquiry")["status"] == "prevented"


def test_direction_is_one_of_two(world: IntakeWorld) -> None:
    content = csv_file(f"{CHARGEBACKS},direction", f"{DISPUTED},up")

    assert world.submit("chargebacks", content).reasons == {"invalid_status": 1}


@pytest.fixture
def older_lake(tmp_path: Path) -> ParquetLake:
    """A lake whose only file of chargebacks has no column of the third version."""
    lake = ParquetLake(open_store((tmp_path / "lake").as_uri()), tmp_path / "mirror")
    world = IntakeWorld(lake=lake)
    world.submit("chargebacks", csv_file(CHARGEBACKS, DISPUTED))
    (path,) = lake.local_path("chargebacks").rglob("*.parquet")
    older = pl.read_parquet(path, hive_partitioning=False).drop(ADDED)
    lake.write("chargebacks", world.clock.now().date(), path.stem, older)
    return lake


def test_row_of_an_older_lake_file_is_still_known(older_lake: ParquetLake) -> None:
    world = IntakeWorld(lake=older_lake, known_rows=FakeKnownRows())
    other = DISPUTED.replace("c1", "c2")
    world.raw_store.create("incoming/chargebacks/default/first.csv", b"the intake id is taken")
    world.claim("incoming/chargebacks/default/first.csv")

    outcome = world.submit("chargebacks", csv_file(CHARGEBACKS, DISPUTED, other))

    assert (outcome.accepted, outcome.duplicate) == (1, 1)
    assert world.rows("chargebacks")["direction"].to_list() == [None, "debit"]


def test_duckdb_reads_older_and_newer_lake_files(older_lake: ParquetLake, tmp_path: Path) -> None:
    world = IntakeWorld(lake=older_lake)
    newer = world.clock.now().date().replace(day=1)
    row = older_lake.scan("chargebacks")
    assert row is not None
    older_lake.write("chargebacks", newer, "n", row.select(PROFILE.lake_table.names()).collect())

    warehouse = DuckDbWarehouse(tmp_path / "warehouse")
    with warehouse.building(older_lake) as environment, duckdb.connect() as session:
        source = f"{environment['CARDOPS_SOURCES']}/chargebacks/*/*/*.parquet"
        found = session.execute(
            "select case_number, direction, activity_date from read_parquet(?, "
            "hive_partitioning = true, union_by_name = true)",
            [source],
        ).fetchall()

    assert found == [("c1", None, None)] * 2
