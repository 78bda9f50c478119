"""A day killed at every dangerous step ends as a day that was never killed."""

import signal
from pathlib import Path

import pytest

from tests.factories.demo_days import Ending, Instance, companies_of, ending

pytestmark = [pytest.mark.database, pytest.mark.dagster]


@pytest.mark.timeout(600)
def test_day_killed_at_every_dangerous_step_ends_as_undisturbed_day(
    day: Path, undisturbed: Ending, instance: Instance
) -> None:
    with companies_of(instance):
        for step in ("merge", "rename", "lake", "export"):
            assert instance.run(day, die=step) == -signal.SIGKILL, f"did not die at {step}"
        assert instance.run(day) == 0
        killed = ending(instance)

    assert killed.files == undisturbed.files
    assert killed.accounts == undisturbed.accounts
    assert killed.decisions == undisturbed.decisions
    assert killed.deposit_count == undisturbed.deposit_count
    assert killed.lake_rows == undisturbed.lake_rows
    assert killed.deliveries == undisturbed.deliveries
    assert killed.delivered == undisturbed.delivered


def test_undisturbed_day_delivers_at_most_four_complete_files_per_batch(
    undisturbed: Ending,
) -> None:
    csvs = [name for name in undisturbed.delivered if name.endswith(".csv")]

    assert 1 <= len(csvs) <= 4
    assert all(f"{name}.ctl" in undisturbed.delivered for name in csvs)
    assert not [name for name in undisturbed.delivered if name.endswith(".part")]
    assert {state for *_, state in undisturbed.deliveries} == {"delivered"}
