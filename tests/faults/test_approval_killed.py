"""An approval that is killed at any step: nothing is credited before it, and everything after it, once."""

import signal
from pathlib import Path

import pytest

from tests.factories.deposit_desk import DepositDesk, a_line
from tests.servers.killable_recall import die_at_steps

pytestmark = pytest.mark.database

# More steps than an approval has; a process that dies at none of them ends by itself.
ALL_STEPS = range(1, 61)
# Before the approval is recorded, and between it and the credit.
SOME_STEPS = (4, 9)
SOAK = [pytest.mark.soak, pytest.mark.timeout(900)]


@pytest.mark.parametrize("steps", [SOME_STEPS, pytest.param(ALL_STEPS, marks=SOAK)])
def test_killed_approval_is_finished_by_the_next_run(
    database_url: str, tmp_path: Path, steps: "range | tuple[int, ...]"
) -> None:
    desk = DepositDesk(database_url, tmp_path)
    desk.cap(1_000)
    for number in range(len(steps)):
        user = f"u{number:02d}"
        lines = (a_line(f"a{number}", "10.00", user), a_line(f"b{number}", "5.00", user))
        desk.drop(*lines, key=f"incoming/deposits/{number:02d}.csv")
    held = [result.intake_file.intake_id for result in desk.materialize()]

    ended = die_at_steps(database_url, tmp_path, "approve", dict(zip(held, steps, strict=True)))

    killed = ended.count(-signal.SIGKILL)
    assert ended == [-signal.SIGKILL] * killed + [0] * (len(steps) - killed)
    assert killed == len(steps) if steps is SOME_STEPS else 10 < killed < len(steps)
    approved = [number for number in held if desk.status(number) != "held"]
    assert 0 < len(approved) < len(held)
    # The next run finishes what was approved, and nothing else.
    desk.materialize()
    assert desk.balances() == {f"u{number - 1:02d}": 1_500 for number in approved}
    for number in held:
        desk.approve(number)
    assert desk.balances() == {f"u{number - 1:02d}": 1_500 for number in held}
    assert desk.file_breaks() == []
