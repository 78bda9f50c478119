"""Values that a spreadsheet destroyed: what a dispute can do without is left out and flagged."""

import pytest

from cardops.rules.intake.damage import spreadsheet_hint
from cardops.services.intake.hints import hints_of
from tests.factories import dispute_reports as reports
from tests.factories.disputed_files import CHARGEBACKS, DISPUTED
from tests.factories.intake_environment import IntakeWorld, csv_file


@pytest.mark.parametrize("column", ["arn", "merchant_id", "transaction_auth_code"])
@pytest.mark.parametrize("value", ["2.47E+22", "#N/A", "not an id"])
def test_damaged_optional_id_is_left_out_and_flagged(
    world: IntakeWorld, column: str, value: str
) -> None:
    outcome = world.submit(
        "chargebacks", csv_file(f"{CHARGEBACKS},{column}", f"{DISPUTED},{value}")
    )

    assert (outcome.accepted, outcome.reasons) == (1, {})
    assert outcome.flags["damaged_value"] == 1
    assert world.first_row("chargebacks")[column] is None
    assert "damaged_value" in world.first_row("chargebacks")["flags"]


@pytest.mark.parametrize(
    ("header", "line", "column"),
    [
        ("fee_amount,fee_currency", "11.447,USD", "fee_amount_minor"),
        ("fee_amount,fee_currency", "15.00,US$", "fee_amount_minor"),
        ("settlement_amount,settlement_currency", "x,USD", "settlement_amount_minor"),
        ("transaction_amount,transaction_currency", "31.20,JPY", "transaction_amount_minor"),
        ("transaction_amount,transaction_currency", "-31.20,EUR", "transaction_amount_minor"),
        ("transaction_amount,transaction_currency", "31.20,EURO", "transaction_amount_minor"),
        ("transaction_date,activity_date", "00:00.0,", "transaction_date"),
        ("transaction_date,reply_by_date", ",########", "reply_by_date"),
        ("resolution_date,activity_date", "#N/A,#VALUE!", "activity_date"),
    ],
)
def test_damaged_amount_or_date_is_left_out_and_flagged(
    world: IntakeWorld, header: str, line: str, column: str
) -> None:
    outcome = world.submit("chargebacks", csv_file(f"{CHARGEBACKS},{header}", f"{DISPUTED},{line}"))

    assert (outcome.accepted, outcome.reasons) == (1, {})
    assert outcome.flags["damaged_value"] == 1
    assert world.first_row("chargebacks")[column] is None


def test_dispute_with_a_case_number_goes_on_without_its_transaction(world: IntakeWorld) -> None:
    line = DISPUTED.replace("t1", "1.23457E+15")

    outcome = world.submit("chargebacks", csv_file(CHARGEBACKS, line))

    assert (outcome.accepted, outcome.flags) == (1, {"damaged_value": 1})
    kept = world.first_row("chargebacks")
    assert (kept["case_number"], kept["transaction_id"], kept["network"]) == ("c1", None, "visa")
    again = world.submit("chargebacks", csv_file(CHARGEBACKS, line))
    assert (again.accepted, again.duplicate) == (0, 1)


def test_damaged_jpmorgan_order_number_and_arn_cost_nothing(world: IntakeWorld) -> None:
    row = reports.a_jpmorgan_row(
        Category="RECD", Merchant_Order_Number="5.16E+13", Acquirer_Reference_Number="7.45E+22"
    )
    content = f"BEGIN,EntityId=1\n{reports.report(reports.JPMORGAN_DETAILS, row)}\n"

    outcome = world.submit("chargebacks", content)

    assert (outcome.accepted, outcome.flags) == (1, {"damaged_value": 1})
    assert (
        world.first_row("chargebacks")["transaction_id"],
        world.first_row("chargebacks")["arn"],
    ) == (None, None)


@pytest.mark.parametrize(
    ("line", "reasons"),
    [
        # No case number, or one that is damaged itself: nothing says which dispute it is.
        (DISPUTED.replace("t1", "5.16E+13").replace("c1", ""), {"invalid_id": 1}),
        (DISPUTED.replace("c1", "5.16E+13"), {"invalid_id": 1}),
        (DISPUTED.replace("t1", "5.16E+13").replace("c1", "9.1E+7"), {"invalid_id": 1}),
        # Nothing else says which currency or card company it is.
        (DISPUTED.replace("t1", "5.16E+13").replace("USD", ""), {"invalid_id": 1}),
        (DISPUTED.replace("t1", "5.16E+13").replace("visa", ""), {"unroutable_network": 1}),
    ],
)
def test_dispute_that_nothing_identifies_is_quarantined(
    world: IntakeWorld, line: str, reasons: dict[str, int]
) -> None:
    outcome = world.submit("chargebacks", csv_file(CHARGEBACKS, line))

    assert outcome.accepted == 0
    assert reasons.items() <= outcome.reasons.items()


def test_sender_is_told_that_a_spreadsheet_did_it(world: IntakeWorld) -> None:
    damaged = DISPUTED.replace("t1", "5.16E+13").replace("c1", "")
    result = world.ingest("chargebacks", csv_file(CHARGEBACKS, damaged, damaged, "a b,,,,,"))

    entry = world.intake_ledger.find(result.intake_file.intake_id)
    (hint,) = hints_of(world.failed_store, entry)

    assert hint.startswith("2 quarantined row(s) have an id in the notation of a spreadsheet")


@pytest.mark.parametrize("raw", ["t1,25.00", "a5.16E+13x,1", "5.16E13"])
def test_other_invalid_ids_are_not_blamed_on_a_spreadsheet(raw: str) -> None:
    assert spreadsheet_hint([(["invalid_id"], raw)]) is None
    assert spreadsheet_hint([(["invalid_amount"], "5.16E+13")]) is None
