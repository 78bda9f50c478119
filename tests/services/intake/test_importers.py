"""Each processor's report, by its own header, through to the lake."""

from datetime import date

import pytest

from tests.factories import dispute_reports as reports
from tests.factories.disputed_files import TRANSACTIONS
from tests.factories.intake_environment import IntakeWorld, csv_file


def of_jpmorgan(world: IntakeWorld) -> dict[str, object]:
    kept = world.rows("chargebacks").row(0, named=True)
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


def test_adyen_reason_code_comes_from_one_of_three_columns(world: IntakeWorld) -> None:
    row = {
        "Psp Reference": "881",
        "Merchant Reference": "t-1",
        "Payment Method": "visa",
        "Dispute Currency": "EUR",
        "Dispute Amount": "12.30",
        "Record Type": "Chargeback",
        "Dispute PSP Reference": "D1",
        "CB Reason Code": "10.4",
        "Payment Amount": "20.00",
        "Payment Date": "2026-11-01 23:59:59",
        "Dispute Date": "2026-11-10 00:30:00",
        "Dispute Date TimeZone": "CET",
    }
    notice = row | {
        "Record Type": "NotificationOfFraud",
        "CB Reason Code": "",
        "NoF Reason Code": "6",
    }

    outcome = world.submit("chargebacks", reports.report(reports.ADYEN, row, notice))

    assert (outcome.accepted, outcome.totals_minor) == (2, {"EUR": 2460})
    kept = world.rows("chargebacks")
    assert kept["stage"].to_list() == ["chargeback", "inquiry"]
    assert kept["reason_code"].to_list() == ["10.4", "6"]
    assert kept["dispute_date"].to_list() == [date(2026, 11, 10)] * 2


def test_stripe_payments_without_a_dispute_are_skipped(world: IntakeWorld) -> None:
    row = {
        "id": "ch_1",
        "Created (UTC)": "2026-11-01 10:00:00",
        "Amount": "30.00",
        "Currency": "usd",
        "Card Last4": "4242",
        "Card Brand": "Visa",
        "Disputed Amount": "30.00",
        "Dispute Status": "needs_response",
        "Dispute Reason": "fraudulent",
        "Dispute Date (UTC)": "2026-11-09 10:00:00",
        "Dispute Evidence Due (UTC)": "2026-11-30 23:59:59",
    }
    undisputed = {"id": "ch_2", "Amount": "5.00", "Currency": "usd"}

    outcome = world.submit("chargebacks", reports.report(reports.STRIPE, undisputed, row))

    assert (outcome.read, outcome.accepted) == (1, 1)
    kept = world.rows("chargebacks").row(0, named=True)
    assert (kept["network"], kept["status"]) == ("visa", "pending_response")
    assert (kept["row_number"], kept["card_last4"]) == (2, "4242")


def test_worldpay_amounts_are_in_minor_units(world: IntakeWorld) -> None:
    row = {
        "caseId": "9001",
        "merchantId": "m1",
        "dayIssuedByBank": "2026-11-10",
        "vantivCnpTxnId": "v1",
        "cycle": "FIRST_CHARGEBACK",
        "cardNumberLast4": "1234",
        "cardType": "VI",
        "chargebackAmount": "2500",
        "chargebackCurrencyType": "USD",
        "reasonCode": "10.4",
        "bin": "411111",
        "paymentAmount": "3000",
        "replyByDay": "2026-12-01",
    }

    outcome = world.submit("chargebacks", reports.report(reports.WORLDPAY, row))

    assert outcome.totals_minor == {"USD": 2500}
    kept = world.rows("chargebacks").row(0, named=True)
    assert (kept["case_number"], kept["transaction_id"]) == ("9001", "v1")
    assert (kept["card_bin"], kept["card_last4"]) == ("411111", "1234")
    assert kept["transaction_amount_minor"] == 3000


def test_report_without_an_optional_column_has_nulls_there(world: IntakeWorld) -> None:
    header = "Company Account,Merchant Account,Psp Reference,Merchant Reference,Payment Method,Record Type,Dispute PSP Reference,Dispute Currency,Dispute Amount,CB Reason Code,Dispute Date"
    line = "Co,Shop,881,t-1,visa,Chargeback,D1,EUR,50.00,10.4,2026-11-20 00:00:00"

    outcome = world.submit("chargebacks", f"{header}\n{line}\n")

    assert (outcome.read, outcome.accepted, outcome.error) == (1, 1, None)
    kept = world.rows("chargebacks").row(0, named=True)
    assert (kept["card_bin"], kept["card_last4"], kept["arn"]) == (None, None, None)


def test_report_without_what_a_required_column_is_read_from_is_refused(world: IntakeWorld) -> None:
    header = reports.WORLDPAY.replace("dayIssuedByBank,", "")

    outcome = world.submit("chargebacks", reports.report(header, {"caseId": "9001"}))

    assert outcome.error is not None
    assert "has no column dayissuedbybank" in outcome.error


def test_report_without_a_dispute_section_is_refused(world: IntakeWorld) -> None:
    outcome = world.submit("chargebacks", "BEGIN,EntityId=1\nmeta\nEND,EntityId=1\n")

    assert outcome.error is not None
    assert "none with disputes" in outcome.error


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
    ("record_type", "method", "stage", "network"),
    [
        ("NotificationOfChargeback", "visa", "chargeback", "visa"),
        ("Chargeback", "mc_applepay", "chargeback", "mastercard"),
        ("Chargeback", "amex_googlepay", "chargeback", "amex"),
        ("InformationSupplied", "visa", "inquiry", "visa"),
    ],
)
def test_adyen_record_has_its_stage_and_the_network_behind_the_wallet(
    world: IntakeWorld, record_type: str, method: str, stage: str, network: str
) -> None:
    row = {
        "Psp Reference": "881",
        "Payment Method": method,
        "Dispute Currency": "EUR",
        "Dispute Amount": "50.00",
        "Record Type": record_type,
        "Dispute PSP Reference": "D1",
        "Dispute Date": "2026-11-10 00:30:00",
    }

    outcome = world.submit("chargebacks", reports.report(reports.ADYEN, row))

    assert (outcome.accepted, outcome.reasons) == (1, {})
    kept = world.rows("chargebacks").row(0, named=True)
    assert (kept["stage"], kept["network"]) == (stage, network)


@pytest.mark.parametrize(
    ("status", "stage", "kept_status"),
    [
        ("warning_needs_response", "inquiry", "pending_response"),
        ("warning_closed", "inquiry", "resolved"),
        ("prevented", "inquiry", "prevented"),
        ("needs_response", "chargeback", "pending_response"),
    ],
)
def test_stripe_warning_is_an_inquiry(
    world: IntakeWorld, status: str, stage: str, kept_status: str
) -> None:
    row = {
        "id": "ch_1",
        "Amount": "30.00",
        "Currency": "usd",
        "Card Brand": "Visa",
        "Disputed Amount": "30.00",
        "Dispute Status": status,
        "Dispute Date (UTC)": "2026-11-09 10:00:00",
    }

    assert world.submit("chargebacks", reports.report(reports.STRIPE, row)).reasons == {}

    kept = world.rows("chargebacks").row(0, named=True)
    assert (kept["stage"], kept["status"]) == (stage, kept_status)


def test_last_four_digits_are_no_evidence_of_a_network(world: IntakeWorld) -> None:
    header = "transaction_id,chargeback_amount,dispute_date,currency,case_number,card_number"
    stripe = {
        "id": "ch_1",
        "Amount": "30.00",
        "Currency": "usd",
        "Card Last4": "5512",
        "Disputed Amount": "30.00",
        "Dispute Status": "needs_response",
        "Dispute Date (UTC)": "2026-11-09 10:00:00",
    }

    outcomes = [
        world.submit("chargebacks", csv_file(header, "t1,10.00,2026-11-20,USD,c1,5512")),
        world.submit("chargebacks", reports.report(reports.STRIPE, stripe)),
    ]

    assert [outcome.reasons for outcome in outcomes] == [{"orphaned_reference": 1}] * 2


def test_date_with_an_offset_is_the_day_its_sender_means(world: IntakeWorld) -> None:
    header = "transaction_id,chargeback_amount,dispute_date,currency,card_network,reply_by_date"
    line = "t1,10.00,2026-11-20T00:30:00+02:00,USD,visa,2026-12-05T23:59:59-05:00"

    world.submit("chargebacks", csv_file(header, line))

    kept = world.rows("chargebacks").row(0, named=True)
    assert kept["dispute_date"] == date(2026, 11, 20)
    assert kept["reply_by_date"] == date(2026, 12, 5)


def test_payment_and_dispute_of_an_adyen_report_have_their_own_currencies(
    world: IntakeWorld,
) -> None:
    row = {
        "Psp Reference": "881",
        "Payment Method": "visa",
        "Dispute Currency": "JPY",
        "Dispute Amount": "5000",
        "Record Type": "Chargeback",
        "Dispute PSP Reference": "D1",
        "Dispute Date": "2026-11-10 00:30:00",
        "Payment Currency": "EUR",
        "Payment Amount": "31.20",
    }
    dollars = row | {
        "Dispute Currency": "USD",
        "Dispute Amount": "36.00",
        "Dispute PSP Reference": "D2",
    }

    outcome = world.submit("chargebacks", reports.report(reports.ADYEN, row, dollars))

    assert (outcome.accepted, outcome.reasons) == (2, {})
    assert outcome.flags == {"transaction_unknown": 2}
    kept = world.rows("chargebacks").select(
        "dispute_amount_minor",
        "dispute_currency",
        "transaction_amount_minor",
        "transaction_currency",
    )
    assert kept.rows() == [(5000, "JPY", 3120, "EUR"), (3600, "USD", 3120, "EUR")]


def test_transaction_amount_is_read_in_the_transactions_currency(world: IntakeWorld) -> None:
    paid = "t1,o1,u1,150000,JPY,card,completed,2026-11-01T10:00:00Z,visa"
    header = "transaction_id,chargeback_amount,dispute_date,currency,transaction_amount"
    world.submit("transactions", csv_file(TRANSACTIONS, paid))

    outcome = world.submit("chargebacks", csv_file(header, "t1,10.00,2026-11-10,USD,150000"))

    assert (outcome.accepted, outcome.flags) == (1, {"currency_differs": 1})
    kept = world.rows("chargebacks").row(0, named=True)
    assert (kept["transaction_amount_minor"], kept["transaction_currency"]) == (150_000, "JPY")


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
    kept = world.rows("chargebacks").row(0, named=True)
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


def test_header_that_a_report_repeats_is_not_a_dispute(world: IntakeWorld) -> None:
    row = {
        "Psp Reference": "881",
        "Payment Method": "visa",
        "Dispute Currency": "EUR",
        "Dispute Amount": "50.00",
        "Record Type": "Chargeback",
        "Dispute PSP Reference": "D1",
        "Dispute Date": "2026-11-10 00:30:00",
    }
    report = reports.report(reports.ADYEN, row)

    outcome = world.submit("chargebacks", f"{report}\n{report.replace('D1', 'D2')}\n")

    assert (outcome.read, outcome.accepted, outcome.quarantined) == (2, 2, 0)


@pytest.mark.parametrize(("name", "scheme"), [("JCB", "jcb"), ("NYCE", "nyce")])
def test_contract_of_the_program_routes_a_scheme_without_a_route(
    world: IntakeWorld, name: str, scheme: str
) -> None:
    header = "transaction_id,chargeback_amount,dispute_date,currency,case_number,card_network"
    content = csv_file(header, f"t1,10.00,2026-11-20,USD,c1,{name}")
    assert world.submit("chargebacks", content).reasons == {"unroutable_network": 1}

    world.programs.set_network_route("default", scheme, "discover", set_by="somebody")
    routed = world.submit("chargebacks", content)

    assert (routed.accepted, routed.reasons) == (1, {})
    assert world.rows("chargebacks")["network"].to_list() == ["discover"]
    world.programs.set_network_route("default", scheme, None, set_by="somebody")
    assert world.submit("chargebacks", content).reasons == {"unroutable_network": 1}
