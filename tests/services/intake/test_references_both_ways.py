"""A chargeback and its transaction meet whichever comes first, and when both come at once."""

import pytest

from cardops.rules.intake.files import FileStatus, Kind
from cardops.services.intake.ingestion import ingest_file
from tests.factories.disputed_files import CHARGEBACKS, PAID, TRANSACTIONS
from tests.factories.intake_environment import IntakeWorld, csv_file
from tests.fakes.lake import FailingLake

PAID_FILE = csv_file(TRANSACTIONS, PAID)
# The id as the contract allows it to be written; without currency and network the row must wait.
WRITTEN = ("t1", " t1\t", '"t1"', '" t1 "')


def disputed(written: str) -> str:
    return csv_file(CHARGEBACKS, f"{written},25.00,2026-11-10,,c1,")


@pytest.mark.parametrize("written", WRITTEN)
def test_row_waits_for_a_reference_written_in_another_way(world: IntakeWorld, written: str) -> None:
    assert world.submit("chargebacks", disputed(written)).reasons == {"orphaned_reference": 1}

    (key,) = world.ingest("transactions", PAID_FILE).released

    assert ingest_file(world.claim(key), world.ports).outcome.accepted == 1
    assert world.rows("chargebacks")["network"].to_list() == ["visa"]


@pytest.mark.parametrize("written", WRITTEN)
def test_row_finds_a_reference_written_in_another_way(world: IntakeWorld, written: str) -> None:
    padded = PAID.replace("t1", '" t1"')
    world.submit("transactions", csv_file(TRANSACTIONS, padded))

    assert world.submit("chargebacks", disputed(written)).accepted == 1


def test_reference_in_another_case_is_another_one(world: IntakeWorld) -> None:
    world.submit("transactions", PAID_FILE)

    assert world.submit("chargebacks", disputed("T1")).reasons == {"orphaned_reference": 1}


def test_row_waits_for_a_transaction_that_is_not_yet_in_the_lake(world: IntakeWorld) -> None:
    world.lake = FailingLake(before={1})
    with pytest.raises(OSError, match="no space"):
        world.submit("transactions", PAID_FILE)
    world.lake.before.clear()
    assert world.submit("chargebacks", disputed("t1")).reasons == {"orphaned_reference": 1}

    (key,) = ingest_file(1, world.ports).released

    assert ingest_file(world.claim(key), world.ports).outcome.accepted == 1


def test_transaction_that_arrives_while_the_row_is_judged_releases_it(world: IntakeWorld) -> None:
    """It is in the lake after the row was judged and before the row was recorded as waiting."""
    wait_for = world.intake_ledger.wait_for

    def arrive_first(file, references):  # type: ignore[no-untyped-def]
        world.intake_ledger.wait_for = wait_for  # type: ignore[method-assign]
        assert world.ingest("transactions", PAID_FILE).released == ()
        wait_for(file, references)

    world.intake_ledger.wait_for = arrive_first  # type: ignore[method-assign]

    (key,) = world.ingest("chargebacks", disputed("t1")).released

    assert ingest_file(world.claim(key), world.ports).outcome.accepted == 1


def test_killed_repeat_does_not_accept_a_row_that_was_released(world: IntakeWorld) -> None:
    """Its next attempt is like a first one, and the row's reference is there by now."""
    world.submit("chargebacks", disputed("t1"))
    (key,) = world.ingest("transactions", PAID_FILE).released
    assert ingest_file(world.claim(key), world.ports).outcome.accepted == 1
    world.intake_ledger.mark(1, FileStatus.APPLYING)

    assert ingest_file(1, world.ports).outcome.reasons == {"orphaned_reference": 1}
    assert world.rows("chargebacks").height == 1


def test_row_whose_quarantine_is_missing_goes_on_waiting(world: IntakeWorld) -> None:
    world.submit("chargebacks", disputed("t1"))
    world.failed_store.contents.clear()

    assert world.ingest("transactions", PAID_FILE).released == ()
    assert world.intake_ledger.waiting(Kind("chargebacks"), "default", ["t1"]) == {1: [1]}
