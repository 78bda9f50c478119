"""Rows that had waited go on in the mode in which they were handed in, whatever their program's."""

from cardops.rules.intake.files import Kind
from cardops.services.intake.claiming import Claims
from tests.factories.intake_environment import IntakeWorld, csv_file

HEADER = "transaction_id,chargeback_amount,dispute_date"
PAID = csv_file(
    "transaction_id,order_id,user_id,amount,currency,payment_method,status,created_at,card_network",
    "t1,o1,u1,100.00,USD,card,completed,2026-01-01T10:00:00Z,visa",
)


def claims_of(world: IntakeWorld) -> Claims:
    return Claims(
        world.raw_store, world.failed_store, world.intake_ledger, world.programs, world.clock
    )


def test_released_rows_keep_the_mode_of_their_batch() -> None:
    world = IntakeWorld(mode="size_balanced")
    assert world.submit("chargebacks", csv_file(HEADER, "t1,1.00,2026-01-10")).quarantined == 1
    (key,) = world.ingest("transactions", PAID).released
    world.raw_store.create("incoming/chargebacks/default/other.csv", b"x")
    stats = [
        stat
        for stat in world.raw_store.list_objects("incoming/chargebacks/default/")
        if stat.key in {key, "incoming/chargebacks/default/other.csv"}
    ]

    batches = claims_of(world).claim_batches(Kind("chargebacks"), stats)

    modes = {file.arrival.key: batch.mode for batch in batches for file in batch.files}
    assert modes == {
        key: "size_balanced",
        "incoming/chargebacks/default/other.csv": "by_network",
    }


def test_file_named_like_a_release_uses_its_programs_mode() -> None:
    world = IntakeWorld()
    key = "incoming/chargebacks/default/released/000000000999-0123456789ab.csv"
    world.raw_store.create(key, b"x")
    (stat,) = world.raw_store.list_objects(key)

    entry = claims_of(world).enter(Kind("chargebacks"), stat)

    assert world.intake_ledger.batch(str(entry.batch_id)).mode == "by_network"
