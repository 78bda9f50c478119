"""Chargebacks of a size-balanced batch, and card numbers where nobody should have typed them."""

import json
from typing import Any

import pytest

from assets.intake_metadata import intake_metadata
from cardops.contracts.kinds.chargebacks import CHARGEBACKS
from cardops.rules.programs.programs import Program
from tests.factories.intake_environment import IntakeWorld, csv_file
from tests.factories.samples import poc_rows, shop_transactions

HEADER = "transaction_id,chargeback_amount,dispute_date,currency,case_number,card_network"
TYPED = "5105105105105100"


@pytest.fixture
def world() -> IntakeWorld:
    return IntakeWorld(mode="size_balanced")


def test_row_without_network_is_mixed_and_does_not_wait(world: IntakeWorld) -> None:
    outcome = world.submit("chargebacks", as_json(poc_rows(3)), name="poc.json")

    assert (outcome.accepted, outcome.flags) == (3, {"transaction_unknown": 3})
    assert world.rows("chargebacks")["network"].to_list() == ["mixed"] * 3
    assert world.rows("chargebacks")["network_source"].to_list() == [None] * 3


def test_row_with_network_keeps_it_even_when_unroutable(
    world: IntakeWorld,
) -> None:
    file = csv_file(HEADER, "t1,1.00,2026-01-10,USD,c1,VISA", "t2,1.00,2026-01-10,USD,c2,JCB")

    assert world.submit("chargebacks", file).accepted == 2
    assert world.rows("chargebacks")["network"].to_list() == ["visa", "mixed"]


def test_later_transaction_makes_no_second_dispute(
    world: IntakeWorld,
) -> None:
    rows = [{**row, "transaction_id": "T-0001"} for row in poc_rows(1)]
    world.submit("chargebacks", as_json(rows), name="poc.json")
    paid = [{**row, "user_id": "u1"} for row in shop_transactions(1, prefix="T-")]
    assert world.submit("transactions", as_json(paid), name="paid.json").accepted == 1

    again = world.submit("chargebacks", as_json(rows), name="poc.json")

    assert (again.accepted, again.duplicate) == (0, 1)


def test_mixed_dispute_stays_the_same_when_its_network_arrives(
    world: IntakeWorld,
) -> None:
    unnamed = csv_file(HEADER, "t1,1.00,2026-01-10,USD,c1,", "t2,1.00,2026-01-10,USD,c2,")
    assert world.submit("chargebacks", unnamed).accepted == 2
    world.mode = "by_network"
    named = csv_file(
        HEADER,
        "t1,1.00,2026-01-10,USD,c1,visa",
        "t9,1.00,2026-01-10,USD,c2,visa",
        "t3,1.00,2026-01-10,USD,c3,amex",
    )

    again = world.submit("chargebacks", named)

    assert (again.accepted, again.duplicate, again.quarantined) == (2, 1, 0)
    assert world.rows("chargebacks")["case_number"].to_list() == ["c1", "c2", "c2", "c3"]


def test_row_without_currency_waits_even_in_a_size_balanced_batch(world: IntakeWorld) -> None:
    outcome = world.submit("chargebacks", csv_file(HEADER, "t1,1.00,2026-01-10,,c1,"))

    assert outcome.reasons == {"orphaned_reference": 1}


def test_card_number_in_free_text_reaches_neither_lake_nor_preview(world: IntakeWorld) -> None:
    header = f"{HEADER},merchant_name,chargeback_reason"
    line = f"t1,1.00,2026-01-10,USD,c1,visa,Shop {TYPED},card {TYPED[:4]} {TYPED[4:]} stolen"
    taken = world.ingest("chargebacks", csv_file(header, line))

    kept = world.rows("chargebacks").row(0, named=True)
    assert kept["merchant_name"] == "Shop 510510******5100"
    assert TYPED not in str(kept)
    metadata = str(intake_metadata([taken], [taken.intake_file], CHARGEBACKS, world.ports, 1.0))
    assert "510510******5100" in metadata
    assert TYPED not in metadata


def test_mode_is_taken_from_the_batch_not_the_program(world: IntakeWorld) -> None:
    world.mode = "by_network"
    world.programs.create(Program("acme", chargeback_mode="size_balanced"))

    outcome = world.submit("chargebacks", as_json(poc_rows(2)), name="a.json", program="acme")

    assert outcome.reasons == {"orphaned_reference": 2}


def as_json(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows)
