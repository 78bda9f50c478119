"""The nightly sweep through Dagster: what waits is listed, and the checks say whether that is right."""

from datetime import timedelta

import dagster as dg
import pytest

from assets.waiting_disputes import EVERY_ROW, NONE_STUCK, waiting_disputes
from cardops.services.chargebacks.sweep import MAX_WAIT
from tests.factories.disputed_files import CHARGEBACKS, DISPUTED
from tests.factories.intake_environment import IntakeWorld, csv_file
from tests.fakes.clock import FakeClock
from tests.fakes.filed_batches import A_MOMENT
from tests.fakes.notifier import FakeNotifier

pytestmark = pytest.mark.dagster


def test_rows_in_no_file_are_listed_and_fail_a_check_once_they_wait_too_long() -> None:
    world, notifier = IntakeWorld(), FakeNotifier()
    world.submit("chargebacks", csv_file(CHARGEBACKS, DISPUTED))
    late = FakeClock(A_MOMENT + MAX_WAIT + timedelta(minutes=1))

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [waiting_disputes],
            instance=instance,
            partition_key="2026-11-20",
            resources={
                "lake": world.lake,
                "intake_ledger": world.intake_ledger,
                "notifier": notifier,
                "clock": late,
            },
        )

    assert result.success
    checks = {found.check_name: found.passed for found in result.get_asset_check_evaluations()}
    assert checks == {EVERY_ROW: True, NONE_STUCK: False}
    (row,) = world.rows("waiting_disputes").to_dicts()
    assert (row["case_number"], row["reason"], row["dispute_amount_minor"]) == (
        "c1",
        "files_not_made",
        2500,
    )
    assert [alarm[0] for alarm in notifier.alarms] == ["1 disputes are in no chargeback file"]
