"""A kind that Cardops does not have is a profile and its contract: the engine does not change."""

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest

from assets.intake import intake_asset, intake_checks
from cardops.contracts.columns.money import amount_minor
from cardops.contracts.columns.types import INTEGER, TEXT
from cardops.contracts.kinds.contract import Contract, amount_field, currency_field, id_field
from cardops.contracts.kinds.profile import ORIGIN, KindProfile
from cardops.contracts.kinds.registry import KINDS
from cardops.rules.intake.files import FileStatus, Kind
from cardops.services.intake.claiming import Claims
from sensors.intake import arrival_sensor
from tests.factories.intake_environment import IntakeWorld, csv_file

pytestmark = pytest.mark.dagster


class AcknowledgementLine(pa.DataFrameModel):
    entry_id: str = id_field("its id", required=True)
    amount: str = amount_field("decimal text", required=True)
    currency: str = currency_field("of the amount", required=True)


ACKNOWLEDGEMENTS = KindProfile(
    subject="acknowledgement",
    contract=Contract(kind=Kind("acknowledgements"), model=AcknowledgementLine),
    lake_table=pl.Schema({**ORIGIN, "entry_id": TEXT, "currency": TEXT, "amount_minor": INTEGER}),
    lake_values={"amount_minor": amount_minor("amount", "currency")},
    identity=("entry_id",),
    immutable=("currency", "amount_minor"),
    description="What a card company says that it took.",
    job_description="Ingest acknowledgements into the lake.",
)
FILE = csv_file("entry_id,amount,currency", "e1,25.00,USD", "e2,x,USD", "e1,25,USD", "e1,30,USD")


@pytest.fixture
def acknowledgements() -> IntakeWorld:
    return IntakeWorld(kinds={**KINDS, ACKNOWLEDGEMENTS.kind: ACKNOWLEDGEMENTS})


def test_file_of_another_kind_is_judged_quarantined_and_stored(
    acknowledgements: IntakeWorld,
) -> None:
    outcome = acknowledgements.submit("acknowledgements", FILE)

    assert (outcome.read, outcome.accepted, outcome.duplicate, outcome.quarantined) == (4, 1, 1, 2)
    assert outcome.reasons == {"conflicting_duplicate": 1, "invalid_amount": 1}
    assert outcome.totals_minor == {"USD": 2500}
    assert acknowledgements.rows("acknowledgements")["entry_id"].to_list() == ["e1"]
    assert [row["row_number"] for row in acknowledgements.quarantined()] == [2, 4]


def test_file_of_another_kind_is_claimed_in_its_own_folder(acknowledgements: IntakeWorld) -> None:
    acknowledgements.raw_store.create("incoming/acknowledgements/a.csv", FILE.encode())
    claims = Claims(
        acknowledgements.raw_store,
        acknowledgements.failed_store,
        acknowledgements.intake_ledger,
        acknowledgements.programs,
        acknowledgements.clock,
        acknowledgements.kinds,
    )

    (intake_file,) = claims.claim(
        ACKNOWLEDGEMENTS.kind, acknowledgements.raw_store.list_objects("incoming/acknowledgements/")
    )

    assert intake_file.arrival.kind == "acknowledgements"
    assert intake_file.status is FileStatus.CLAIMED


def test_another_kind_has_an_asset_with_checks_and_a_sensor(acknowledgements: IntakeWorld) -> None:
    key = "incoming/acknowledgements/default/a.csv"
    acknowledgements.raw_store.create(key, FILE.encode())
    acknowledgements.claim(key)
    asset = intake_asset(ACKNOWLEDGEMENTS, kinds=acknowledgements.kinds)
    names = (
        "raw_store",
        "failed_store",
        "lake",
        "intake_ledger",
        "known_rows",
        "programs",
        "source_controls",
        "clock",
    )

    result = dg.materialize(
        [asset, *intake_checks(ACKNOWLEDGEMENTS)],
        partition_key="2026-11-20",
        resources={name: getattr(acknowledgements, name) for name in names},
    )

    metadata = result.asset_materializations_for_node("acknowledgements")[0].metadata
    money = metadata["money"]
    assert isinstance(money, dg.TableMetadataValue)
    assert [row.data for row in money.records] == [{"currency": "USD", "amount": "25.00"}]
    assert {check.check_name for check in result.get_asset_check_evaluations() if check.passed} == {
        "every_row_is_accounted_for",
        "every_accepted_acknowledgement_is_in_the_lake",
        "every_accepted_acknowledgement_is_known",
        "every_acknowledgement_file_can_be_read",
    }
    sensor = arrival_sensor(ACKNOWLEDGEMENTS, kinds=acknowledgements.kinds)
    assert sensor.name == "acknowledgement_arrival_sensor"
    assert sensor.job_name == "acknowledgement_intake"
