"""A transaction's later versions, and rows that wait for the one they tell of, with ports in memory."""

import json
from typing import Any

from cardops.services.intake.ingestion import ingest_file
from tests.factories.disputed_files import CHARGEBACKS, DISPUTED, PAID, TRANSACTIONS
from tests.factories.intake_environment import IntakeWorld, csv_file


def test_waiting_chargeback_is_released_when_its_transaction_arrives(
    world: IntakeWorld,
) -> None:
    line = '"t1",25.00,2026-11-10,,c1,'
    first = world.ingest("chargebacks", csv_file(CHARGEBACKS, line, DISPUTED.replace("c1", "c2")))
    assert first.outcome.reasons == {"orphaned_reference": 1}

    arrived = world.ingest("transactions", csv_file(TRANSACTIONS, PAID))

    assert len(arrived.released) == 1
    assert f"{first.intake_file.intake_id:012d}" in arrived.released[0]
    later = ingest_file(world.claim(arrived.released[0]), world.ports)
    assert (later.outcome.read, later.outcome.accepted) == (1, 1)
    assert later.intake_file.batch_id != first.intake_file.batch_id
    assert sorted(world.rows("chargebacks")["case_number"]) == ["c1", "c2"]


def test_released_row_is_not_accepted_again_by_a_repeat(world: IntakeWorld) -> None:
    first = world.ingest("chargebacks", csv_file(CHARGEBACKS, "t1,25.00,2026-11-10,,c1,"))
    arrived = world.ingest("transactions", csv_file(TRANSACTIONS, PAID))
    ingest_file(world.claim(arrived.released[0]), world.ports)

    again = ingest_file(first.intake_file.intake_id, world.ports)
    transactions_again = ingest_file(arrived.intake_file.intake_id, world.ports)

    assert again.outcome == first.outcome
    assert transactions_again.released == ()
    assert world.rows("chargebacks").height == 1


def test_waiting_row_keeps_ids_that_look_like_card_numbers(world: IntakeWorld) -> None:
    """The reference passes the check digit test of a card number; the card number is one."""
    arn, case = "24445003607598380000007", "4111111111111111"
    header = f"{CHARGEBACKS},arn,chargeback_reason"
    waiting = f"t1,25.00,2026-11-10,,{case},,{arn},paid with 4111 1111 1111 1111"
    taken = world.ingest("chargebacks", csv_file(header, waiting))
    assert taken.outcome.reasons == {"orphaned_reference": 1}

    arrived = world.ingest("transactions", csv_file(TRANSACTIONS, PAID))
    later = ingest_file(world.claim(arrived.released[0]), world.ports)

    assert (later.outcome.accepted, later.outcome.reasons) == (1, {})
    row = world.rows("chargebacks").row(0, named=True)
    assert (row["arn"], row["case_number"]) == (arn, case)
    stored = b"".join(world.failed_store.contents.values()) + arrived.released[0].encode()
    assert b"4111 1111 1111 1111" not in stored
    assert row["reason_text"] == "paid with 411111******1111"


def test_json_rows_are_released_as_ndjson(world: IntakeWorld) -> None:
    row = {"transaction_id": "t1", "chargeback_amount": "5", "dispute_date": "2026-11-10"}
    world.submit("chargebacks", json.dumps([row], indent=2), name="a.json")

    arrived = world.ingest("transactions", csv_file(TRANSACTIONS, PAID))

    assert arrived.released[0].endswith(".ndjson")
    assert ingest_file(world.claim(arrived.released[0]), world.ports).outcome.accepted == 1


def test_transaction_without_user_is_accepted_before_its_order(world: IntakeWorld) -> None:
    line = PAID.replace("u1", "")
    early = world.submit("transactions", csv_file(TRANSACTIONS, line))
    assert (early.accepted, early.reasons, early.flags) == (1, {}, {"order_unknown": 1})

    order = "o1,u7,100.00,USD,paid,2026-11-01T10:00:00Z"
    header = "order_id,user_id,amount,currency,status,created_at"
    arrived = world.ingest("orders", csv_file(header, order))
    later = world.submit("transactions", csv_file(TRANSACTIONS, line.replace("t1", "t2")))

    assert arrived.released == ()
    assert (later.accepted, later.flags) == (1, {})
    assert world.rows("transactions")["user_id"].to_list() == [None, "u7"]


def test_dispute_of_a_transaction_whose_order_never_comes_goes_on(world: IntakeWorld) -> None:
    world.submit("transactions", csv_file(TRANSACTIONS, PAID.replace("u1", "")))

    disputed = world.submit("chargebacks", csv_file(CHARGEBACKS, "t1,25.00,2026-11-10,,c1,"))

    assert (disputed.accepted, disputed.reasons) == (1, {})


def test_changed_transaction_is_a_new_version_and_history_is_kept(world: IntakeWorld) -> None:
    pending = PAID.replace("completed", "pending")
    world.submit("transactions", csv_file(TRANSACTIONS, pending, pending))

    outcome = world.submit(
        "transactions", csv_file(TRANSACTIONS, PAID, pending, PAID.replace("100.00", "99.00"))
    )

    assert (outcome.accepted, outcome.duplicate) == (1, 1)
    assert outcome.reasons == {"conflicting_duplicate": 1}
    assert world.rows("transactions")["status"].to_list() == ["pending", "completed"]


def test_chargeback_refers_to_the_latest_transaction_version(world: IntakeWorld) -> None:
    world.submit("transactions", csv_file(TRANSACTIONS, PAID.replace("visa", "")))
    world.submit("transactions", csv_file(TRANSACTIONS, PAID))

    assert world.submit("chargebacks", csv_file(CHARGEBACKS, DISPUTED[:-4])).accepted == 1


def test_late_arrival_with_older_update_is_not_the_latest(world: IntakeWorld) -> None:
    header = f"{TRANSACTIONS},updated_at"
    world.submit("transactions", csv_file(header, f"{PAID},2026-11-09T00:00:00Z"))
    earlier = PAID.replace("visa", "amex").replace("completed", "pending")
    world.submit("transactions", csv_file(header, f"{earlier},2026-11-02T00:00:00Z"))

    world.submit("chargebacks", csv_file(CHARGEBACKS, DISPUTED[:-4]))

    assert world.rows("chargebacks")["network"].to_list() == ["visa"]


def test_transaction_that_arrives_during_judging_releases_its_chargeback(
    world: IntakeWorld,
) -> None:
    wait_for = world.intake_ledger.wait_for

    def overtaken(*arguments: Any) -> None:
        world.intake_ledger.wait_for = wait_for  # type: ignore[method-assign]  # once
        world.submit("transactions", csv_file(TRANSACTIONS, PAID))
        wait_for(*arguments)

    world.intake_ledger.wait_for = overtaken  # type: ignore[method-assign, assignment]  # the race
    taken = world.ingest("chargebacks", csv_file(CHARGEBACKS, "t1,25.00,2026-11-10,,c1,"))

    assert taken.outcome.reasons == {"orphaned_reference": 1}
    assert ingest_file(world.claim(taken.released[0]), world.ports).outcome.accepted == 1
