"""Quarantined rows as the marts have them: reasons and states, and never a record."""

from datetime import date, timedelta

import polars as pl

from cardops.services.intake.quarantine_snapshots import QuarantineSnapshots
from tests.factories.disputed_files import CHARGEBACKS, PAID, TRANSACTIONS
from tests.factories.intake_environment import IntakeWorld, csv_file

# Without currency and network it must wait for its transaction.
ORPHAN = "t1,25.00,2026-11-10,,c1,"
BAD = "t2,-5,2026-11-10,USD,c2,visa"


def snapshot(world: IntakeWorld, day: date) -> dict[int, tuple[list[str], str]]:
    service = QuarantineSnapshots(world.intake_ledger, world.failed_store, world.lake)
    frame = service.write(day)
    assert "raw" not in frame.columns
    found = frame.select("row_number", "reasons", "state").iter_rows()
    return {row_number: (sorted(reasons), state) for row_number, reasons, state in found}


def test_row_is_listed_at_its_close_and_once_more_when_released() -> None:
    world = IntakeWorld()
    today = world.clock.now().date()
    world.submit("chargebacks", csv_file(CHARGEBACKS, BAD, ORPHAN))

    first = snapshot(world, today)
    quiet = snapshot(world, today + timedelta(days=1))
    world.submit("transactions", csv_file(TRANSACTIONS, PAID))
    released = snapshot(world, today + timedelta(days=2))

    assert first == {
        1: (["non_positive_amount"], "refused"),
        2: (["orphaned_reference"], "waiting"),
    }
    assert quiet == {}
    assert released == {2: (["orphaned_reference"], "released")}
    assert snapshot(world, today + timedelta(days=3)) == {}
    assert snapshot(world, today + timedelta(days=2)) == released


def test_file_that_ended_after_its_close_is_in_the_next_snapshot() -> None:
    world = IntakeWorld()
    today = world.clock.now().date()
    assert snapshot(world, today) == {}
    world.submit("chargebacks", csv_file(CHARGEBACKS, BAD))

    late = snapshot(world, today + timedelta(days=1))

    assert list(late) == [1]
    assert snapshot(world, today + timedelta(days=2)) == {}
    table = world.lake.scan("quarantined_rows")
    assert table is not None
    assert table.select(pl.col("claimed_on").unique()).collect().rows() == [(today,)]
