"""Chargebacks, transactions and orders: shapes, references and flags, with ports in memory."""

import io
from typing import Any

import polars as pl
import pytest

from tests.factories.disputed_files import CHARGEBACKS, DISPUTED, PAID, TRANSACTIONS
from tests.factories.intake_environment import IntakeWorld, csv_file, json_array


def test_proof_of_concept_file_is_ingested_unchanged(world: IntakeWorld) -> None:
    world.submit("transactions", csv_file(TRANSACTIONS, PAID.replace("t1", "TXN001")))
    row = {
        "transaction_id": "TXN001",
        "card_number": "****1234",
        "amount": 100.00,
        "currency": "USD",
        "merchant_id": "MERCH001",
        "merchant_name": "Online Store ABC",
        "transaction_date": "2026-01-15T10:30:00Z",
        "chargeback_reason": "Unauthorized transaction",
        "chargeback_amount": 75.50,
        "dispute_date": "2026-01-20T14:25:00Z",
        "case_number": "CB2024001",
        "status": "pending",
    }

    outcome = world.submit("chargebacks", json_array(row), name="a.json")

    assert (outcome.accepted, outcome.flags) == (1, {})
    kept = world.rows("chargebacks").row(0, named=True)
    assert kept["dispute_amount_minor"] == 7550
    assert kept["transaction_amount_minor"] == 10000
    assert (kept["network"], kept["network_source"]) == ("visa", "transaction")
    assert (kept["card_bin"], kept["card_last4"]) == (None, "1234")
    assert kept["payment_method"] == "card"


def test_e_commerce_files_are_ingested_unchanged(world: IntakeWorld) -> None:
    order: dict[str, Any] = {
        "order_id": "o1",
        "customer_id": "u1",
        "timestamp": "2026-11-01T10:00:00",
        "total_amount": 30.00,
        "currency": "USD",
        "items": [{"product_id": "p", "quantity": 3, "unit_price": 10.00}],
        "payment_status": "paid",
    }
    transaction = {
        "transaction_id": "t1",
        "order_id": "o1",
        "timestamp": "2026-11-01T10:00:01",
        "amount": 30.00,
        "currency": "USD",
        "status": "completed",
        "payment_method": {"type": "credit_card", "provider": "visa"},
        "error_code": None,
    }

    orders = world.submit("orders", json_array(order), name="orders.json")
    paid = world.submit("transactions", json_array(transaction), name="transactions.json")
    disputed = world.submit(
        "chargebacks",
        csv_file(
            "transaction_id,dispute_date,amount,reason_code,status,resolution_date",
            "t1,2026-11-05,30.00,10.4,won,2026-11-09",
        ),
    )

    assert (orders.accepted, orders.flags) == (1, {"naive_timestamp": 1})
    assert (paid.accepted, paid.flags) == (1, {"naive_timestamp": 1})
    assert (disputed.accepted, disputed.flags) == (1, {})
    assert world.rows("orders").select("items_count", "items_total_minor").row(0) == (1, 3000)
    assert world.rows("transactions")["user_id"].to_list() == ["u1"]
    kept = world.rows("chargebacks").row(0, named=True)
    assert (kept["dispute_currency"], kept["reason_category"]) == ("USD", "fraud")
    assert kept["case_number"].startswith("C-")


def test_derived_case_number_is_the_same_in_every_file(world: IntakeWorld) -> None:
    header = "transaction_id,chargeback_amount,dispute_date,currency,card_network,reason_code"
    line = "t1,25.00,2026-11-10,USD,visa,10.4"

    world.submit("chargebacks", csv_file(header, line))
    again = world.submit("chargebacks", csv_file(header, line, line.replace("10.4", "10.5")))
    rewritten = world.submit("chargebacks", csv_file(header, line.replace("25.00", "25.0")))

    assert (again.duplicate, again.accepted) == (1, 1)
    assert (rewritten.duplicate, rewritten.accepted) == (1, 0)


def test_derived_case_number_is_that_of_the_reason_not_of_its_spelling(world: IntakeWorld) -> None:
    header = "transaction_id,chargeback_amount,dispute_date,currency,card_network,reason_code"
    first, *others = (
        csv_file(header, f"t1,10.00,2026-11-20,USD,visa,{code}") for code in ("10.4", "83", "10.40")
    )
    world.submit("chargebacks", first)

    for other in others:
        assert world.submit("chargebacks", other).duplicate == 1


def test_derived_case_number_is_that_of_the_day_in_any_form(world: IntakeWorld) -> None:
    header = "transaction_id,chargeback_amount,dispute_date,currency,card_network,reason_code"
    line = "t1,10.00,2026-11-20,USD,visa,10.4"
    world.submit("chargebacks", csv_file(header, line))

    for day in ("2026-11-20T00:30:00+02:00", "2026-11-20 23:59:59Z"):
        again = world.submit("chargebacks", csv_file(header, line.replace("2026-11-20", day)))
        assert (again.accepted, again.duplicate) == (0, 1)


@pytest.mark.parametrize("number", ["5512.0", "5512 (last four)", "55", "55125"])
def test_end_of_a_card_number_names_no_network(world: IntakeWorld, number: str) -> None:
    header = "transaction_id,chargeback_amount,dispute_date,currency,case_number,card_number"

    outcome = world.submit("chargebacks", csv_file(header, f"t1,10.00,2026-11-20,USD,c1,{number}"))

    assert outcome.reasons == {"orphaned_reference": 1}


def test_partial_disputes_without_case_number_stay_apart(world: IntakeWorld) -> None:
    header = "transaction_id,chargeback_amount,dispute_date,currency,card_network,reason_code"
    line = "t1,20.00,2026-11-10,USD,visa,13.1"

    outcome = world.submit(
        "chargebacks",
        csv_file(header, line, line.replace("20.00", "30.00"), line.replace("USD", "EUR")),
    )

    assert (outcome.accepted, outcome.duplicate) == (3, 0)
    assert world.rows("chargebacks")["case_number"].n_unique() == 3


@pytest.mark.parametrize(
    ("line", "flag"),
    [
        ("t9,25.00,2026-11-10,USD,c1,visa", "transaction_unknown"),
        ("t1,25.00,2026-11-10,EUR,c1,visa", "currency_differs"),
        # Amounts of two currencies do not compare: 15,000 JPY are no more than 100.00 USD.
        ("t1,15000,2026-11-10,JPY,c1,visa", "currency_differs"),
        ("t1,100.01,2026-11-10,USD,c1,visa", "amount_exceeds_transaction"),
        ("t1,25.00,2026-11-10T10:00:00,USD,c1,visa", "naive_timestamp"),
    ],
)
def test_discrepancy_with_transaction_is_flagged_not_quarantined(
    world: IntakeWorld, line: str, flag: str
) -> None:
    world.submit("transactions", csv_file(TRANSACTIONS, PAID))

    outcome = world.submit("chargebacks", csv_file(CHARGEBACKS, line))

    assert (outcome.accepted, outcome.flags) == (1, {flag: 1})
    assert world.rows("chargebacks")["flags"].to_list() == [[flag]]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("t9,25.00,2026-11-10,,c1,visa", "orphaned_reference"),
        ("t9,25.00,2026-11-10,USD,c1,", "orphaned_reference"),
        ("t1,25.00,2026-11-10,USD,c1,jcb", "unroutable_network"),
        ("t2,25.00,2026-11-10,USD,c1,", "unroutable_network"),
        ("t1,25.005,2026-11-10,,c1,visa", "too_many_fraction_digits"),
        ("t1,25.00,2026-13-10,USD,c1,visa", "invalid_timestamp"),
        ("t1,25.00,2026-11-23,USD,c1,visa", "future_timestamp"),
    ],
)
def test_unroutable_or_orphaned_chargeback_is_quarantined_with_reason(
    world: IntakeWorld, line: str, reason: str
) -> None:
    unnamed = PAID.replace("t1", "t2").replace("visa", "")
    world.submit("transactions", csv_file(TRANSACTIONS, PAID, unnamed))

    assert world.submit("chargebacks", csv_file(CHARGEBACKS, line)).reasons == {reason: 1}


def test_unknown_status_or_stage_is_invalid_status(world: IntakeWorld) -> None:
    header = f"{CHARGEBACKS},status,stage"
    lines = (f"{DISPUTED},hmm,", f"{DISPUTED},OPEN,hmm", f"{DISPUTED},Open,Pre-Arbitration")

    outcome = world.submit("chargebacks", csv_file(header, *lines))

    assert outcome.reasons == {"invalid_status": 2}
    assert world.rows("chargebacks")["stage"].to_list() == ["pre_arbitration"]


def test_reply_by_date_may_be_in_the_future(world: IntakeWorld) -> None:
    content = csv_file(f"{CHARGEBACKS},reply_by_date", f"{DISPUTED},2026-12-24")

    assert world.submit("chargebacks", content).accepted == 1


def test_unknown_order_is_flagged(world: IntakeWorld) -> None:
    assert world.submit("transactions", csv_file(TRANSACTIONS, PAID)).flags == {"order_unknown": 1}


def test_rows_of_other_programs_are_neither_reference_nor_duplicate(world: IntakeWorld) -> None:
    world.submit("transactions", csv_file(TRANSACTIONS, PAID), program="other")

    outcome = world.submit("transactions", csv_file(TRANSACTIONS, PAID))
    disputed = world.submit("chargebacks", csv_file(CHARGEBACKS, DISPUTED), program="third")

    assert (outcome.accepted, outcome.duplicate) == (1, 0)
    assert disputed.flags == {"transaction_unknown": 1}


def test_items_that_do_not_add_up_are_flagged(world: IntakeWorld) -> None:
    header = "order_id,user_id,amount,currency,status,created_at,items"
    row = "o{},u1,30.00,USD,paid,2026-11-01T10:00:00Z,{}"
    items = '"[{{""quantity"": {}, ""unit_price"": 10.00}}]"'

    outcome = world.submit(
        "orders",
        csv_file(header, row.format(1, items.format(3)), row.format(2, items.format(2)), row.format(3, "?"), row.format(4, "")),
    )  # fmt: skip

    assert (outcome.accepted, outcome.flags) == (4, {"items_do_not_add_up": 2})


def test_full_card_number_is_truncated_in_lake_and_quarantine(world: IntakeWorld) -> None:
    header = f"{CHARGEBACKS},card_number,chargeback_reason"
    good = "t1,25.00,2026-11-10,USD,c1,,4111 1111 1111 1111,x"
    # Not a right number, and one in free text.
    bad = "t1,0,2026-11-10,USD,c2,,4111111111111112,was 5500-0000-0000-0004"

    world.submit("chargebacks", csv_file(header, good, bad))

    kept = world.rows("chargebacks").row(0, named=True)
    assert (kept["card_bin"], kept["card_last4"]) == ("411111", "1111")
    assert (kept["network"], kept["network_source"]) == ("visa", "card_number")
    raw = world.quarantined()[0]["raw"]
    assert raw.endswith("411111******1112,was 550000******0004")


def test_quarantine_has_the_same_columns_as_parquet_and_csv(world: IntakeWorld) -> None:
    world.submit("chargebacks", csv_file(CHARGEBACKS, DISPUTED, "t 1,0,2026-11-10,USD,c1,visa"))

    row = world.quarantined()[0]
    assert row["row_number"] == 2
    assert row["reasons"] == ["invalid_id", "non_positive_amount"]
    assert list(row) == ["source_file", "row_number", "reasons", "raw"]
    csv_key = next(key for key in world.failed_store.contents if key.endswith("rows.csv"))
    table = pl.read_csv(io.BytesIO(world.failed_store.contents[csv_key]))
    assert table["reasons"].to_list() == ["invalid_id non_positive_amount"]
    assert csv_key.startswith("chargebacks/file.csv-")
