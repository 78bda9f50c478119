"""Fraud reports and pre-dispute outcomes: their network, their identity, versions and masking."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardops.contracts.importers.fraud import FRAUD_REPORTS
from cardops.contracts.kinds.pre_dispute_outcomes import SERVICES
from cardops.rules.chargebacks.fraud_reports import derived_report_id, pre_dispute_outcomes
from cardops.rules.data_tables import read_table
from tests.factories.intake_environment import IntakeWorld, csv_file

FOLDER = Path(__file__).parents[2] / "fixtures" / "fraud_reports"
HEADER = "report_id,transaction_id,arn,source,reported_on,amount,currency,card_network,status"
ALERTS = "case_id,service,outcome,outcome_on,amount,currency,transaction_id,card_network"
PAYMENTS = "transaction_id,order_id,user_id,amount,currency,status,created_at,card_network"


def a_payment(transaction_id: str, network: str = "visa") -> str:
    row = f"{transaction_id},o1,u1,25.00,USD,completed,2026-11-10T10:00:00Z,{network}"
    return csv_file(PAYMENTS, row)


@pytest.mark.parametrize(
    ("source", "named", "network"),
    [
        ("tc40", "", "visa"),
        ("SAFE", "", "mastercard"),
        ("other", "American Express", "amex"),
        ("other", "", "mastercard"),
    ],
)
def test_network_is_the_reports_own_else_the_payments(
    source: str, named: str, network: str
) -> None:
    world = IntakeWorld()
    world.submit("transactions", a_payment("t1", "mastercard"))

    outcome = world.submit(
        "fraud_reports", csv_file(HEADER, f",t1,,{source},2026-11-18,25.00,USD,{named},")
    )

    assert (outcome.accepted, outcome.flags) == (1, {})
    (row,) = world.rows("fraud_reports").to_dicts()
    assert (row["network"], row["source"], row["status"]) == (network, source.lower(), "reported")
    assert row["reported_on"] == date(2026, 11, 18)
    assert row["amount_minor"] == 2500


def test_report_of_unknown_payment_is_flagged_where_it_names_its_network() -> None:
    world = IntakeWorld()

    outcome = world.submit(
        "fraud_reports", csv_file(HEADER, "f1,t9,,tc40,2026-11-18,25.00,USD,,", "f2,,a9,safe,2026-11-18,25.00,USD,,")
    )  # fmt: skip

    assert (outcome.accepted, outcome.quarantined) == (2, 0)
    assert outcome.flags == {"transaction_unknown": 1}


def test_report_without_network_waits_for_its_payment() -> None:
    world = IntakeWorld()
    waiting = world.submit("fraud_reports", csv_file(HEADER, "f1,t1,,other,2026-11-18,25.00,USD,,"))

    released = world.ingest("transactions", a_payment("t1")).released

    assert waiting.reasons == {"orphaned_reference": 1}
    assert len(released) == 1


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("f1,,,tc40,2026-11-18,25.00,USD,,", "missing_field"),
        ("f1,,a1,other,2026-11-18,25.00,USD,,", "unroutable_network"),
        ("f1,t1,,tc40,2026-11-18,25.00,USD,jcb,", "unroutable_network"),
        ("f1,t1,,email,2026-11-18,25.00,USD,,", "invalid_status"),
        ("f1,t1,,tc40,2027-11-18,25.00,USD,,", "future_timestamp"),
        ("f1,t1,,tc40,2026-11-18,0,USD,,", "non_positive_amount"),
    ],
)
def test_report_that_cannot_be_counted_is_quarantined(row: str, reason: str) -> None:
    outcome = IntakeWorld().submit("fraud_reports", csv_file(HEADER, row))

    assert outcome.reasons == {reason: 1}


def test_report_without_id_is_the_same_report_when_it_comes_again() -> None:
    world = IntakeWorld()
    reported = ",t1,,tc40,2026-11-18,25.00,USD,,"
    first = world.submit("fraud_reports", csv_file(HEADER, reported, ",t2,,tc40,2026-11-18,25.00,USD,,"))  # fmt: skip
    again = world.submit("fraud_reports", csv_file(HEADER, reported))
    withdrawn = world.submit("fraud_reports", csv_file(HEADER, reported + "withdrawn"))
    other = world.submit("fraud_reports", csv_file(HEADER, reported.replace("USD", "EUR")))

    assert (first.accepted, again.duplicate, withdrawn.accepted) == (2, 1, 1)
    assert other.reasons == {"conflicting_duplicate": 1}
    rows = world.rows("fraud_reports")
    assert rows["report_id"].n_unique() == 2
    assert set(rows["status"]) == {"reported", "withdrawn"}


@given(st.tuples(*[st.text("at1", min_size=1, max_size=3)] * 2), st.sampled_from(["tc40", "safe"]))
@settings(max_examples=30)
def test_derived_id_differs_with_its_parts(payments: tuple[str, str], source: str) -> None:
    first, second = (derived_report_id(source, payment) for payment in payments)

    assert (first == second) == (payments[0] == payments[1])
    assert derived_report_id("other", payments[0]) != first


def test_report_of_tabapay_becomes_rows() -> None:
    world = IntakeWorld()
    (importer,) = FRAUD_REPORTS
    report = (FOLDER / f"{importer.name}.csv").read_bytes()

    outcome = world.submit("fraud_reports", report)

    assert (outcome.read, outcome.accepted, outcome.duplicate) == (5, 3, 1)
    assert outcome.reasons == {"non_positive_amount": 1}
    rows = world.rows("fraud_reports").sort("row_number").to_dicts()
    assert [(row["source"], row["network"]) for row in rows] == [
        ("tc40", "visa"),
        ("safe", "mastercard"),
        ("tc40", "visa"),
    ]
    assert [row["transaction_id"] for row in rows] == [
        "tpTXN00000000000000001",
        "tpTXN00000000000000002",
        "ref-000000003",
    ]
    assert [row["amount_minor"] for row in rows] == [2500, 14050, 750]
    assert {row["currency"] for row in rows} == {"USD"}
    assert rows[0]["arn"] == "74987506311000000000011"
    assert rows[0]["reported_on"] == date(2026, 11, 18)
    assert {row["merchant_id"] for row in rows} == {"3217"}
    assert [row["card_last4"] for row in rows] == ["1111", "4444", "1111"]
    kept = [str(value) for row in rows for value in row.values()]
    assert not any("4111111111111111" in value for value in kept)


def test_alert_has_its_services_network_and_its_outcome() -> None:
    world = IntakeWorld()
    rows = (
        "a1,Verifi RDR,ACCEPTED,2026-11-18,25.00,USD,t1,",
        "a2,ethoca,RESOLVED,2026-11-18,25.00,USD,,mastercard",
        "a3,cdrn,not_found,2026-11-18,25.00,USD,,",
    )

    outcome = world.submit("pre_dispute_outcomes", csv_file(ALERTS, *rows))

    assert (outcome.accepted, outcome.flags) == (3, {"transaction_unknown": 1})
    kept = world.rows("pre_dispute_outcomes").sort("case_id")
    assert kept["service"].to_list() == ["rdr", "ethoca", "cdrn"]
    assert kept["network"].to_list() == ["visa", "mastercard", None]
    assert kept["alert_outcome"].to_list() == ["accepted", "resolved", "not_found"]


def test_alert_with_another_outcome_is_a_new_version() -> None:
    world = IntakeWorld()
    pending = "a1,ethoca,pending,2026-11-18,25.00,USD,t1,visa"
    first = world.submit("pre_dispute_outcomes", csv_file(ALERTS, pending, pending))
    later = world.submit(
        "pre_dispute_outcomes", csv_file(ALERTS, pending.replace("pending", "refunded"))
    )
    unknown = world.submit(
        "pre_dispute_outcomes", csv_file(ALERTS, pending.replace("pending", "went well"))
    )

    assert (first.accepted, first.duplicate, later.accepted) == (1, 1, 1)
    assert unknown.reasons == {"invalid_status": 1}


def test_alert_in_the_services_own_names_is_read() -> None:
    world = IntakeWorld()
    alert = (
        '[{"alertId": "A4IM9K2MIYL9F2BPF9TWUIXTU", "provider": "ethoca", "outcome": "STOPPED",'
        ' "actionTimestamp": "2026-11-18T17:11:05-05:00", "transactionAmount": "150.00",'
        ' "currency": "USD", "acquirerReferenceNumber": "74987506311000000000011"}]'
    )

    outcome = world.submit("pre_dispute_outcomes", alert, name="alerts.json")

    assert (outcome.accepted, outcome.error) == (1, None)
    (row,) = world.rows("pre_dispute_outcomes").to_dicts()
    assert row["arn"] == "74987506311000000000011"
    assert row["outcome_on"] == date(2026, 11, 18)


def test_every_outcome_has_a_source_and_says_whether_a_dispute_follows() -> None:
    rows = read_table("alert_outcomes")

    assert all(row["source"] and row["prevents_dispute"] in {"yes", "no"} for row in rows)
    assert len(pre_dispute_outcomes()) == len(rows)
    assert "rdr" in SERVICES
