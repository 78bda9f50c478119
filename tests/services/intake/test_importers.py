"""Each processor's report, by its own header, through to the lake."""

from datetime import date

import pytest

from tests.factories import dispute_reports as reports
from tests.factories.disputed_files import TRANSACTIONS
from tests.factories.intake_environment import IntakeWorld, csv_file


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
    kept = world.first_row("chargebacks")
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
    kept = world.first_row("chargebacks")
    assert (kept["case_number"], kept["transaction_id"]) == ("9001", "v1")
    assert (kept["card_bin"], kept["card_last4"]) == ("411111", "1234")
    assert kept["transaction_amount_minor"] == 3000


def test_report_without_an_optional_column_has_nulls_there(world: IntakeWorld) -> None:
    header = "Company Account,Merchant Account,Psp Reference,Merchant Reference,Payment Method,Record Type,Dispute PSP Reference,Dispute Currency,Dispute Amount,CB Reason Code,Dispute Date"
    line = "Co,Shop,881,t-1,visa,Chargeback,D1,EUR,50.00,10.4,2026-11-20 00:00:00"

    outcome = world.submit("chargebacks", f"{header}\n{line}\n")

    assert (outcome.read, outcome.accepted, outcome.error) == (1, 1, None)
    kept = world.first_row("chargebacks")
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
    kept = world.first_row("chargebacks")
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

    kept = world.first_row("chargebacks")
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

    kept = world.first_row("chargebacks")
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
    kept = world.first_row("chargebacks")
    assert (kept["transaction_amount_minor"], kept["transaction_currency"]) == (150_000, "JPY")


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
