"""Steps of one dispute in one batch: a line a stage with its money once, and totals that say so."""

import csv
import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from cardops.contracts.lake.chargeback_csv import rows_of_slot, superseded_by_lines, write_body
from cardops.rules.chargebacks.batch_totals import add_up_batch, batch_breaks
from cardops.rules.chargebacks.control_totals import read_control_totals
from cardops.rules.chargebacks.files import (
    FileIdentity,
    LineRule,
    SplitMode,
    StageCounts,
    control_json,
)
from tests.factories.disputed_files import CHARGEBACKS, DISPUTED
from tests.factories.intake_environment import IntakeWorld, csv_file

HEADER = f"{CHARGEBACKS},stage,status,activity_date"
OTHER = DISPUTED.replace("c1", "c2").replace("25.00", "4.00")
# Two steps of a chargeback, told in the wrong order, a later stage, another dispute.
LINES = (
    f"{DISPUTED.replace('25.00', '20.00')},chargeback,won,2026-11-14",
    f"{DISPUTED},chargeback,open,2026-11-12",
    f"{DISPUTED},pre_arbitration,open,2026-11-16",
    f"{OTHER},chargeback,open,2026-11-12",
)


def written(
    world: IntakeWorld, target: Path, mode: SplitMode = SplitMode.BY_NETWORK
) -> pl.DataFrame:
    rows = world.rows("chargebacks").lazy()
    body = write_body(rows_of_slot(rows, "visa", mode, LineRule.STAGES), target)
    with target.open("rb") as content:
        totals = read_control_totals(content)
    assert (totals.row_count, totals.totals_minor) == (body.row_count, body.totals_minor)
    assert totals.dispute_count == body.stages.disputes
    with target.open(newline="") as text:
        return pl.DataFrame(list(csv.DictReader(text)))


def test_two_versions_in_one_file_are_one_line_with_its_money(
    world: IntakeWorld, tmp_path: Path
) -> None:
    header = (
        "transaction_id,chargeback_amount,dispute_date,currency,case_number,card_network,status"
    )
    line = "TV-1,10.00,2026-11-20,USD,TV-C1,visa"
    outcome = world.submit("chargebacks", csv_file(header, f"{line},open", f"{line},won"))
    assert outcome.accepted == 2

    found = written(world, tmp_path / "visa.csv")

    assert found.select("case_number", "status", "dispute_amount").rows() == [
        ("TV-C1", "won", "10.00")
    ]


def test_latest_step_of_each_stage_is_its_line(world: IntakeWorld, tmp_path: Path) -> None:
    world.submit("chargebacks", csv_file(HEADER, *LINES))

    found = written(world, tmp_path / "visa.csv")

    columns = ("case_number", "stage", "action_sequence", "status", "dispute_amount")
    assert found.select(columns).rows() == [
        ("c1", "chargeback", "2", "won", "20.00"),
        ("c1", "pre_arbitration", "1", "open", "25.00"),
        ("c2", "chargeback", "1", "open", "4.00"),
    ]


def test_order_of_the_rows_changes_no_byte_of_the_file(world: IntakeWorld, tmp_path: Path) -> None:
    other = IntakeWorld()
    for place, lines in ((world, LINES), (other, LINES[::-1])):
        place.submit("chargebacks", csv_file(HEADER, *lines))

    for number, place in enumerate((world, other)):
        written(place, tmp_path / f"{number}.csv")

    assert (tmp_path / "0.csv").read_bytes() == (tmp_path / "1.csv").read_bytes()


def test_batch_adds_up_with_the_steps_that_are_superseded(
    world: IntakeWorld, tmp_path: Path
) -> None:
    outcome = world.submit("chargebacks", csv_file(HEADER, *LINES))
    rows = world.rows("chargebacks").lazy()
    body = write_body(
        rows_of_slot(rows, "visa", SplitMode.BY_NETWORK, LineRule.STAGES), tmp_path / "visa.csv"
    )
    with body.path.open("rb") as content:
        filed = [read_control_totals(content)]

    superseded = superseded_by_lines(rows, LineRule.STAGES)
    totals = add_up_batch([outcome], filed, superseded=superseded)

    assert superseded == (1, {"USD": 2500})
    assert (totals.filed, totals.superseded, totals.disputes) == (3, 1, 2)
    assert totals.filed_minor == {"USD": 4900}
    assert batch_breaks(totals) == []
    assert batch_breaks(add_up_batch([outcome], filed)) == [
        "4 rows were accepted, 3 are in files",
        "7400 minor units of USD were accepted, 4900 are in files",
    ]


@pytest.mark.parametrize("rule", LineRule)
def test_batch_sealed_before_has_a_line_for_each_step(
    world: IntakeWorld, tmp_path: Path, rule: LineRule
) -> None:
    world.submit("chargebacks", csv_file(HEADER, *LINES))
    rows = world.rows("chargebacks").lazy()

    body = write_body(rows_of_slot(rows, "visa", SplitMode.BY_NETWORK, rule), tmp_path / "visa.csv")

    assert body.row_count == (4 if rule is LineRule.STEPS else 3)
    assert body.stages == StageCounts(disputes=2, versions=4)


def test_control_file_counts_disputes_and_versions() -> None:
    identity = FileIdentity("b-1", "acme", date(2026, 11, 20), "visa", 1, 0)
    control = json.loads(
        control_json(
            identity,
            row_count=3,
            totals_minor={"USD": 4900},
            sha256="ab",
            neutralised_count=0,
            stages=StageCounts(disputes=2, versions=4),
        )
    )

    assert (control["rows"], control["disputes"], control["versions"]) == (3, 2, 4)
