"""Each processor's report in its exact shape, values made up, and the rows that it must become."""

import csv
import json
from pathlib import Path

import pytest

from cardops.contracts.importers.importers import DISPUTE_REPORTS, importer_for
from cardops.contracts.reading.source import normalised
from cardops.rules.chargebacks.disputes import Stage
from cardops.rules.data_tables import read_table
from tests.factories.intake_environment import IntakeWorld

FOLDER = Path(__file__).parents[2] / "fixtures" / "dispute_reports"
COUNTED = ("read", "accepted", "duplicate", "quarantined", "reasons", "flags", "totals_minor")


def expected_of(name: str) -> tuple[dict[str, object], list[dict[str, str]]]:
    counts = json.loads((FOLDER / f"{name}.expected.json").read_text())
    with (FOLDER / f"{name}.expected.csv").open(newline="") as table:
        return counts, list(csv.DictReader(table))


@pytest.mark.parametrize("name", [importer.name for importer in DISPUTE_REPORTS])
def test_report_becomes_the_expected_rows(name: str) -> None:
    world = IntakeWorld()
    counts, rows = expected_of(name)

    outcome = world.submit("chargebacks", (FOLDER / f"{name}.csv").read_bytes())

    assert outcome.error is None
    assert {field: getattr(outcome, field) for field in COUNTED} == counts
    kept = world.rows("chargebacks").to_dicts()
    found = [{column: text(row[column]) for column in rows[0]} for row in kept]
    assert found == rows


def text(value: object) -> str:
    if isinstance(value, list):
        return " ".join(value)
    return "" if value is None else str(value)


@pytest.mark.parametrize("name", [importer.name for importer in DISPUTE_REPORTS])
def test_report_again_is_all_duplicates(name: str) -> None:
    world = IntakeWorld()
    report = (FOLDER / f"{name}.csv").read_bytes()
    first = world.submit("chargebacks", report)

    again = world.submit("chargebacks", report)

    assert (again.accepted, again.duplicate) == (0, first.accepted + first.duplicate)


def test_every_word_of_a_report_has_a_source_and_a_known_meaning() -> None:
    statuses = {"open", "won", "lost", "pending_response", "resolved", "pending", "accepted"}
    statuses |= {"expired", "prevented"}
    for row in read_table("report_words"):
        assert row["source"]
        assert row["stage"] in {"", *Stage}
        assert row["status"] in {"", *statuses}
        assert row["is_event"] in {"yes", "no"}


@pytest.mark.parametrize(
    ("name", "lacks"),
    [
        ("adyen", {"cb reason code", "psp reference", "shopper pan", "payment method"}),
        ("jpmorgan-details", {"account number", "payment brand dispute reason text"}),
        ("jpmorgan-details-v1", {"account number", "category code text"}),
        ("jpmorgan-details-v2", {"account number", "company name"}),
        ("jpmorgan-pde-0017", {"account number", "record type"}),
        ("worldpay", {"vantivcnptxnid", "cardtype"}),
        ("cybersource", {"cbreasoncode", "cardtype"}),
        ("fiserv", {"dispute reason code", "auth network"}),
    ],
)
def test_report_is_known_without_what_it_can_lack(name: str, lacks: set[str]) -> None:
    lines = list(csv.reader((FOLDER / f"{name}.csv").read_text("utf-8-sig").splitlines()))
    (named,) = (importer for importer in DISPUTE_REPORTS if importer.name == name)
    header = next(line for line in lines if named.header <= set(map(normalised, line)))
    left = [column for column in header if normalised(column) not in lacks]

    assert importer_for(DISPUTE_REPORTS, left) is named
