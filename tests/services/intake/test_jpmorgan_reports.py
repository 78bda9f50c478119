"""Dispute reports of J.P. Morgan, by their own headers, through to the lake."""

from datetime import date

import pytest

from tests.factories import dispute_reports as reports
from tests.factories.intake_environment import IntakeWorld


def of_jpmorgan(world: IntakeWorld) -> dict[str, object]:
    kept = world.first_row("chargebacks")
    assert kept["case_number"] == "7001"
    assert (kept["dispute_amount_minor"], kept["dispute_currency"]) == (2500, "USD")
    assert (kept["network"], kept["reason_code"]) == ("mastercard", "4853")
    assert (kept["card_bin"], kept["card_last4"]) == ("520000", "1234")
    assert kept["dispute_date"] == date(2026, 11, 10)
    assert kept["reply_by_date"] == date(2026, 12, 24)
    return kept


def test_jpmorgan_dispute_details_has_sections_and_inventory_movements(
    world: IntakeWorld,
) -> None:
    summary = reports.report(reports.JPMORGAN_SUMMARY, {"Record Type": "S", "Count": "2"})
    details = reports.report(
        reports.JPMORGAN_DETAILS,
        reports.a_jpmorgan_row(Category="RECD"),
        reports.a_jpmorgan_row(Category="ENDINV"),
        reports.a_jpmorgan_row(Category="RTM"),
        reports.a_jpmorgan_row(Category="RTM"),
        reports.a_jpmorgan_row(
            Dispute_Transaction_Sequence_Number="7002",
            Category="RECD",
            Merchant_Order_Number="5.16E+13",
        ),
    )
    whole = f"\ufeffBEGIN,EntityId=1\r\nmeta,2026\r\n{summary}\r\n{details}\r\nEND,EntityId=1\r\n"

    outcome = world.submit("chargebacks", whole)

    # Of three records of one dispute the latest is its state.
    assert (outcome.read, outcome.accepted, outcome.duplicate) == (4, 2, 2)
    assert outcome.reasons == {}
    of_jpmorgan(world)
    assert world.rows("chargebacks")["status"].to_list() == ["pending_response", "open"]


def test_jpmorgan_pde_0017(world: IntakeWorld) -> None:
    row = reports.a_jpmorgan_row(Record_Type="RPDE0017D", Dispute_Category_Code="RECD")

    details = reports.report(reports.JPMORGAN_PDE_0017, row, quoted=True)

    outcome = world.submit("chargebacks", f'"RPDE0017S","1"\n{details}\n"RPDE0017S","2"\n')

    assert (outcome.read, outcome.accepted) == (1, 1)
    of_jpmorgan(world)


def test_jpmorgan_dispute_details_v2(world: IntakeWorld) -> None:
    row = reports.a_jpmorgan_row(Dispute_Category_Code="RTM", Company_Name="Shop")

    outcome = world.submit("chargebacks", reports.report(reports.JPMORGAN_DETAILS_V2, row))

    assert outcome.accepted == 1
    assert of_jpmorgan(world)["merchant_name"] == "Shop"
    assert "Consumer Name" in outcome.unknown_columns


def a_jpmorgan_report(**cells: str) -> str:
    row = reports.a_jpmorgan_row(Category="RECD", **cells)
    return f"BEGIN,EntityId=1\n{reports.report(reports.JPMORGAN_DETAILS, row)}\nEND,EntityId=1\n"


@pytest.mark.parametrize("zeros", ["1.50000000", "1.50", "1.5", "1.500"])
def test_zeros_after_a_jpmorgan_amount_do_not_count(world: IntakeWorld, zeros: str) -> None:
    cells = {"Issuer_Dispute_Presentment_Currency_Amount": zeros}

    assert world.submit("chargebacks", a_jpmorgan_report(**cells)).totals_minor == {"USD": 150}


def test_jpmorgan_amount_of_too_many_digits_is_still_refused(world: IntakeWorld) -> None:
    cells = {"Issuer_Dispute_Presentment_Currency_Amount": "1.50100000"}

    outcome = world.submit("chargebacks", a_jpmorgan_report(**cells))

    assert outcome.reasons == {"too_many_fraction_digits": 1}


def test_electronic_check_goes_to_no_card_company_by_its_reason_code(world: IntakeWorld) -> None:
    cells = {
        "Payment_Method_Code": "EC",
        "Payment_Brand_Dispute_Reason_Code": "R03",
        "Account_Number": "XXX1234",
    }

    outcome = world.submit("chargebacks", a_jpmorgan_report(**cells))

    assert outcome.reasons == {"unroutable_network": 1}


def test_preamble_and_end_of_jpmorgan_details_v2_are_not_rows(world: IntakeWorld) -> None:
    row = reports.a_jpmorgan_row(Dispute_Category_Code="RECD")
    details = reports.report(reports.JPMORGAN_DETAILS_V2, row)
    around = "EntityIdentifier=1,EntityName=Co,Frequency=adhoc"

    outcome = world.submit("chargebacks", f"{around}\n{around}\n{details}\n{around}\n")

    assert (outcome.read, outcome.accepted, outcome.error) == (1, 1, None)
    of_jpmorgan(world)


@pytest.mark.parametrize(
    ("cells", "minor"),
    [
        ({"Category": "RECD"}, -150),
        ({"Category": "REPR"}, -150),
        ({"Category": "RTM"}, 150),
        ({"Category": "RECD", "Cardholder_Debit_Credit_Indicator": "C"}, 150),
        ({"Category": "RTM", "Cardholder_Debit_Credit_Indicator": "D"}, -150),
    ],
)
def test_jpmorgan_amount_below_zero_is_a_credit_unless_it_is_returned(
    world: IntakeWorld, cells: dict[str, str], minor: int
) -> None:
    row = reports.a_jpmorgan_row(Issuer_Dispute_Presentment_Currency_Amount="-1.50", **cells)
    content = f"BEGIN,EntityId=1\n{reports.report(reports.JPMORGAN_DETAILS, row)}\n"

    assert world.submit("chargebacks", content).totals_minor == {"USD": minor}


@pytest.mark.parametrize(
    ("category", "stage", "status"),
    [
        ("OPAREQ", "pre_arbitration", "pending"),
        ("OPAACCEPT", "pre_arbitration", "won"),
        ("OPADENY", "pre_arbitration", "lost"),
        ("RECRS", "chargeback", "pending_response"),
        ("PARREP", "representment", "pending"),
    ],
)
def test_jpmorgan_category_has_a_stage_and_a_status(
    world: IntakeWorld, category: str, stage: str, status: str
) -> None:
    row = reports.a_jpmorgan_row(Category=category)
    content = f"BEGIN,EntityId=1\n{reports.report(reports.JPMORGAN_DETAILS, row)}\n"

    assert world.submit("chargebacks", content).reasons == {}
    kept = world.first_row("chargebacks")
    assert (kept["stage"], kept["status"]) == (stage, status)


def test_unknown_jpmorgan_category_is_quarantined(world: IntakeWorld) -> None:
    row = reports.a_jpmorgan_row(Category="NEWCODE")
    content = f"BEGIN,EntityId=1\n{reports.report(reports.JPMORGAN_DETAILS, row)}\n"

    assert world.submit("chargebacks", content).reasons == {"invalid_status": 1}


def two_jpmorgan_records(first: dict[str, str], second: dict[str, str]) -> str:
    rows = [reports.a_jpmorgan_row(**cells) for cells in (first, second)]
    return f"BEGIN,EntityId=1\n{reports.report(reports.JPMORGAN_DETAILS, *rows)}\nEND,EntityId=1\n"


@pytest.mark.parametrize(
    ("dates", "status"),
    [
        (("11/02/2026", "11/02/2026"), "pending_response"),
        (("11/02/2026", "11/03/2026"), "pending_response"),
        (("11/03/2026", "11/02/2026"), "open"),
        (("", "11/02/2026"), "pending_response"),
    ],
)
def test_later_of_two_jpmorgan_records_wins_by_activity_date(
    world: IntakeWorld, dates: tuple[str, str], status: str
) -> None:
    received = {"Category": "RECD", "Activity_Date": dates[0]}
    returned = {
        "Category": "RTM",
        "Activity_Date": dates[1],
        "Issuer_Dispute_Presentment_Currency_Amount": "-25.00",
    }

    outcome = world.submit("chargebacks", two_jpmorgan_records(received, returned))

    assert (outcome.read, outcome.accepted, outcome.duplicate) == (2, 1, 1)
    assert outcome.totals_minor == {"USD": 2500}
    assert world.rows("chargebacks")["status"].to_list() == [status]


def test_invalid_jpmorgan_record_replaces_no_valid_one(world: IntakeWorld) -> None:
    received = {"Category": "RECD", "Activity_Date": "11/02/2026"}
    unknown = {"Category": "NEWCODE", "Activity_Date": "11/03/2026"}

    outcome = world.submit("chargebacks", two_jpmorgan_records(received, unknown))

    assert (outcome.accepted, outcome.duplicate) == (1, 0)
    assert outcome.reasons == {"invalid_status": 1}
    assert world.rows("chargebacks")["status"].to_list() == ["open"]


def test_latest_record_of_each_stage_is_a_step(world: IntakeWorld) -> None:
    categories = {"RECD": "11/12/2026", "RTM": "11/13/2026", "REPR": "11/16/2026"}
    rows = [
        reports.a_jpmorgan_row(Category=category, Activity_Date=day)
        for category, day in categories.items()
    ]

    outcome = world.submit("chargebacks", reports.report(reports.JPMORGAN_DETAILS, *rows[::-1]))

    assert (outcome.accepted, outcome.duplicate) == (2, 1)
    kept = world.rows("chargebacks").sort("activity_date").select("stage", "status")
    assert kept.rows() == [("chargeback", "pending_response"), ("representment", "pending")]


@pytest.mark.parametrize("order", [1, -1])
def test_received_record_is_the_first_of_its_day_in_any_order(
    world: IntakeWorld, order: int
) -> None:
    rows = [
        reports.a_jpmorgan_row(Category=category, Activity_Date="11/12/2026")
        for category in ("RECD", "RTM")
    ]

    outcome = world.submit("chargebacks", reports.report(reports.JPMORGAN_DETAILS, *rows[::order]))

    assert (outcome.accepted, outcome.duplicate) == (1, 1)
    assert world.first_row("chargebacks")["status"] == "pending_response"
