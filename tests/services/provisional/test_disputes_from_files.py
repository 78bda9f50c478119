"""Disputes and purchases that arrived as files, in whatever order, give money back."""

from datetime import UTC, date, datetime

import pytest

from tests.factories.disputed_files import CHARGEBACKS, DISPUTED, PAID, TRANSACTIONS
from tests.factories.disputed_purchases import DisputeDesk
from tests.factories.intake_environment import IntakeWorld, csv_file
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.database
HEADER = f"{CHARGEBACKS},status,activity_date"


def test_dispute_waits_for_its_transaction_and_follows_its_files(module_database_url: str) -> None:
    world = IntakeWorld(clock=FakeClock(datetime(2026, 12, 10, tzinfo=UTC)))
    desk = DisputeDesk(module_database_url, lake=world.lake)
    desk.has_policy()
    desk.has_deposit("u1", 150_00)
    desk.spends("u1", "t1", 100_00)
    world.submit("chargebacks", csv_file(HEADER, f"{DISPUTED},open,2026-11-10"))
    # Ten business days after the 10th, without Veterans Day.
    due_on = date(2026, 11, 25)
    assert desk.post(due_on) == []
    assert desk.position("c1").waiting == "transaction_unknown"

    world.submit("transactions", csv_file(TRANSACTIONS, PAID))
    desk.post(due_on)
    assert desk.postings() == [("c1", "provisional_credit", 25_00)]

    # The later step arrives first, and the whole file again.
    lost = csv_file(HEADER, f"{DISPUTED},lost,2026-12-02")
    for content in (lost, csv_file(HEADER, f"{DISPUTED},won,2026-12-01"), lost):
        world.submit("chargebacks", content)

    desk.post(date(2026, 12, 2))

    assert desk.postings()[1:] == [("c1", "credit_made_final", 0)]
    assert desk.available("u1") == 75_00


def test_partial_disputes_without_case_number_are_given_back_apart(
    module_database_url: str,
) -> None:
    world = IntakeWorld()
    desk = DisputeDesk(module_database_url, "apart", lake=world.lake)
    desk.has_policy(credit_days=0)
    desk.has_deposit("u1", 150_00)
    desk.spends("u1", "t1", 100_00)
    world.submit("transactions", csv_file(TRANSACTIONS, PAID), program="apart")
    header = "transaction_id,chargeback_amount,dispute_date,currency,card_network"
    rows = [f"t1,{amount},2026-11-10,USD,visa" for amount in ("20.00", "30.00")]
    world.submit("chargebacks", csv_file(header, *rows), program="apart")

    desk.post(date(2026, 11, 10))

    assert sorted(amount for *_, amount in desk.postings()) == [20_00, 30_00]
    assert desk.available("u1") == 100_00
