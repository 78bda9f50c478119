"""Processors' reports as they come in practice: from a spreadsheet, in other letters, dates and signs."""

import csv
from pathlib import Path

import pytest

from tests.factories import dispute_reports as reports
from tests.factories.intake_environment import IntakeWorld
from tests.factories.workbooks import sheet_xml, workbook

FIXTURES = Path(__file__).parents[2] / "fixtures" / "dispute_reports"
COUNTED = ("read", "accepted", "duplicate", "quarantined", "reasons", "flags", "totals_minor")

WORLDPAY = {
    "caseId": "9001",
    "dayIssuedByBank": "2026-11-10",
    "vantivCnpTxnId": "v1",
    "cycle": "FIRST_CHARGEBACK",
    "cardType": "VI",
    "chargebackAmount": "2500",
    "chargebackCurrencyType": "USD",
}
ADYEN = {
    "Psp Reference": "881",
    "Payment Method": "visa",
    "Dispute Currency": "EUR",
    "Dispute Amount": "50.00",
    "Record Type": "Chargeback",
    "Dispute PSP Reference": "D1",
    "Dispute Date": "2026-11-10 00:30:00",
}
STRIPE = {
    "id": "ch_1",
    "Amount": "5000.00",
    "Currency": "jpy",
    "Card Brand": "Visa",
    "Disputed Amount": "5000.00",
    "Dispute Status": "needs_response",
    "Dispute Date (UTC)": "2026-11-09 10:00",
}


@pytest.mark.parametrize("name", ["jpmorgan-details", "adyen", "stripe"])
def test_report_saved_as_a_workbook_becomes_the_same(world: IntakeWorld, name: str) -> None:
    report = FIXTURES / f"{name}.csv"
    with report.open(encoding="utf-8-sig", newline="") as stream:
        rows = [[cell or None for cell in line] for line in csv.reader(stream)]

    outcome = world.submit("chargebacks", workbook({"report": sheet_xml(rows)}), name="report.xlsx")

    as_text = IntakeWorld().submit("chargebacks", report.read_bytes())
    assert {field: getattr(outcome, field) for field in COUNTED} == {
        field: getattr(as_text, field) for field in COUNTED
    }


def test_workbook_without_a_section_of_disputes_is_refused(world: IntakeWorld) -> None:
    rows = [["BEGIN", "EntityId=1"], ["Record Type", "Count"], ["END", "EntityId=1"]]

    outcome = world.submit("chargebacks", workbook({"report": sheet_xml(rows)}), name="report.xlsx")

    assert outcome.error is not None
    assert "none with disputes" in outcome.error


def test_sections_are_found_in_any_letters(world: IntakeWorld) -> None:
    row = reports.a_jpmorgan_row(Category="RECD")
    report = f"begin,EntityId=1\n{reports.report(reports.JPMORGAN_DETAILS, row)}\nend,EntityId=1\n"
    header = reports.JPMORGAN_DETAILS

    outcome = world.submit("chargebacks", report.replace(header, header.upper()))

    assert (outcome.read, outcome.accepted, outcome.error) == (1, 1, None)


@pytest.mark.parametrize(
    ("cells", "reasons", "minor"),
    [
        ({"chargebackAmount": "2500.0"}, {}, 2500),
        ({"chargebackAmount": "25.00"}, {"invalid_amount": 1}, None),
        ({"chargebackAmount": "-2500"}, {}, -2500),
        ({"chargebackType": "CREDIT"}, {}, -2500),
        ({"dayIssuedByBank": "2026-11-10Z", "replyByDay": "2026-12-01-05:00"}, {}, 2500),
    ],
)
def test_worldpay_case_is_read_in_minor_units_with_its_side(
    world: IntakeWorld, cells: dict[str, str], reasons: dict[str, int], minor: int | None
) -> None:
    outcome = world.submit("chargebacks", reports.report(reports.WORLDPAY, WORLDPAY | cells))

    assert outcome.reasons == reasons
    assert outcome.totals_minor == ({} if minor is None else {"USD": minor})


@pytest.mark.parametrize(
    ("header", "row", "totals"),
    [
        (reports.STRIPE, STRIPE, {"JPY": 5000}),
        (reports.STRIPE, STRIPE | {"Disputed Amount": "-5000"}, {"JPY": -5000}),
        (
            reports.ADYEN,
            ADYEN | {"Payment Amount": "5000.00", "Payment Currency": "JPY"},
            {"EUR": 5000},
        ),
    ],
)
def test_last_zeros_and_signs_are_the_reports_own_format(
    world: IntakeWorld, header: str, row: dict[str, str], totals: dict[str, int]
) -> None:
    outcome = world.submit("chargebacks", reports.report(header, row))

    assert (outcome.accepted, outcome.reasons, outcome.totals_minor) == (1, {}, totals)
    assert world.first_row("chargebacks")["transaction_amount_minor"] == 5000


@pytest.mark.parametrize(
    ("reference", "kept", "flags"),
    [
        ("Order #12 / 3", "881", {"transaction_unknown": 1}),
        ("order-12", "order-12", {"transaction_unknown": 1}),
        ("5.16E+13", None, {"damaged_value": 1}),
    ],
)
def test_reference_in_words_leaves_the_dispute_with_the_processors_id(
    world: IntakeWorld, reference: str, kept: str | None, flags: dict[str, int]
) -> None:
    row = ADYEN | {"Merchant Reference": reference}

    outcome = world.submit("chargebacks", reports.report(reports.ADYEN, row))

    assert (outcome.accepted, outcome.flags) == (1, flags)
    assert world.first_row("chargebacks")["transaction_id"] == kept


@pytest.mark.parametrize(
    ("time", "zone"),
    [
        ("2026-11-19T02:15:17+01:00", "CET"),
        ("2026-11-19 02:15:17", "cet"),
        ("2026-11-18T20:15:17-0500", ""),
    ],
)
def test_adyen_time_has_one_offset(world: IntakeWorld, time: str, zone: str) -> None:
    row = ADYEN | {"Record Date": time, "Record Date TimeZone": zone}

    outcome = world.submit("chargebacks", reports.report(reports.ADYEN, row))

    assert (outcome.accepted, outcome.reasons) == (1, {})
    activity = world.first_row("chargebacks")["activity_date"]
    assert activity.isoformat() == "2026-11-19T01:15:17+00:00"


@pytest.mark.parametrize(
    ("cells", "flags"),
    [
        ({"Dispute_Due_Date": "2026-12-24 00:00:00"}, {}),
        ({"Dispute_Due_Date": "12/24/26", "Dispute_Initiate_Date": "11/10/26"}, {}),
        ({"Dispute_Due_Date": "12/24/2026 12:00:00 AM"}, {}),
        ({"Activity_Date": "00:00.0", "Transaction_Date": "########"}, {"damaged_value": 1}),
    ],
)
def test_jpmorgan_dates_are_read_as_spreadsheets_leave_them(
    world: IntakeWorld, cells: dict[str, str], flags: dict[str, int]
) -> None:
    row = reports.a_jpmorgan_row(Category="RECD", **cells)

    outcome = world.submit("chargebacks", reports.report(reports.JPMORGAN_DETAILS, row))

    assert (outcome.accepted, outcome.reasons) == (1, {})
    assert outcome.flags == {"transaction_unknown": 1, **flags}
    kept = world.first_row("chargebacks")
    assert (str(kept["dispute_date"]), str(kept["reply_by_on"])) == ("2026-11-10", "2026-12-24")
