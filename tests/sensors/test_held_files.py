"""Control files are no data files, and a held file gets its run when its control file comes."""

import dagster as dg
import pytest

from cardops.rules.intake.files import FileOutcome, FileStatus
from cardops.rules.intake.source_controls import FileHold, HoldReason
from sensors.held_files import held_file_sensor
from tests.sensors.conftest import Desk

pytestmark = pytest.mark.dagster


def hold(desk: Desk, reason: HoldReason) -> None:
    """What a run of the first file did."""
    file = desk.ledger.find(1)
    desk.source_controls.hold(file, FileHold(reason, "waits"), FileOutcome(error="waits"))


def test_control_file_alone_is_never_claimed_or_refused(deposits: Desk) -> None:
    deposits.put("bank.csv.ctl.json", '{"rows": 1}')
    deposits.put("BANK.CSV.CTL.JSON", '{"rows": 1}')

    assert [deposits.tick() for _ in range(2)] == [[], []]
    assert not deposits.ledger.files
    assert not deposits.failed_store.contents


def test_held_file_runs_again_when_its_control_file_comes(deposits: Desk) -> None:
    deposits.put("bank.csv")
    (first,) = deposits.tick()
    hold(deposits, HoldReason.CONTROL_FILE)

    assert deposits.tick() == []
    deposits.put("bank.csv.ctl.json", '{"rows": 1}')
    (again,) = deposits.tick()

    assert again.tags == first.tags
    assert again.run_key != first.run_key, "Dagster never runs a key again"
    (repeated,) = deposits.tick()
    assert repeated.run_key == again.run_key, "requested until its run is under way, run once"


def test_held_file_whose_run_never_began_is_run_again_later(deposits: Desk) -> None:
    deposits.put("bank.csv")
    deposits.tick()
    hold(deposits, HoldReason.CONTROL_FILE)
    deposits.put("bank.csv.ctl.json", '{"rows": 1}')
    (died,) = deposits.tick()
    deposits.clock.advance(hours=1)

    (again,) = deposits.tick()

    assert (again.tags, again.run_key == died.run_key) == (died.tags, False)


def test_file_that_waits_for_an_approval_is_not_run(deposits: Desk) -> None:
    deposits.put("bank.csv")
    deposits.tick()
    hold(deposits, HoldReason.APPROVAL)
    deposits.put("bank.csv.ctl.json", '{"rows": 1}')

    assert deposits.tick() == []
    assert deposits.ledger.find(1).status is FileStatus.HELD


def test_sensor_alarms_of_a_file_that_waits_for_an_approval(deposits: Desk) -> None:
    deposits.put("bank.csv")
    deposits.tick()
    hold(deposits, HoldReason.APPROVAL)
    sensor = held_file_sensor()
    context = dg.build_sensor_context(
        definitions=dg.Definitions(sensors=[sensor]),
        sensor_name=sensor.name,
        resources={
            "source_controls": deposits.source_controls,
            "intake_ledger": deposits.ledger,
            "raw_store": deposits.raw_store,
            "failed_store": deposits.failed_store,
            "clock": deposits.clock,
            "notifier": deposits.notifier,
        },
    )

    data = sensor.evaluate_tick(context)

    assert data.skip_message == "Held and overdue: 1."
    assert [alarm[0] for alarm in deposits.notifier.alarms] == [
        "Intake file 1 waits for an approval"
    ]
