"""A recall or a reinstatement that is killed at any step is finished by a repeat, and posts once."""

import signal
from pathlib import Path

import pytest

from tests.factories.deposit_desk import DepositDesk, a_line
from tests.servers.killable_recall import die_at_steps

pytestmark = pytest.mark.database

# More steps than either has; a process that dies at none of them ends by itself.
ALL_STEPS = range(1, 56)
SOME_STEPS = (9, 14)
SOAK = [pytest.mark.soak, pytest.mark.timeout(900)]


@pytest.fixture
def desk(database_url: str, tmp_path: Path) -> DepositDesk:
    return DepositDesk(database_url, tmp_path)


def credited_files(desk: DepositDesk, count: int) -> list[int]:
    """Intake ids of files, each with two deposits of 10.00 and 5.00 of a user of its own."""
    files = [
        desk.drop(
            a_line(f"a{number}", "10.00", f"u{number:02d}"),
            a_line(f"b{number}", "5.00", f"u{number:02d}"),
            key=f"incoming/deposits/{number:02d}.csv",
        )
        for number in range(count)
    ]
    desk.materialize()
    return [intake_file.intake_id for intake_file in files]


def assert_killed_at(ended: list[int], steps: "range | tuple[int, ...]") -> None:
    """Some steps are within the act; of all steps, the last are beyond its end."""
    killed = ended.count(-signal.SIGKILL)
    assert ended == [-signal.SIGKILL] * killed + [0] * (len(steps) - killed)
    assert killed == len(steps) if steps is SOME_STEPS else 10 < killed < len(steps)


@pytest.mark.parametrize("steps", [SOME_STEPS, pytest.param(ALL_STEPS, marks=SOAK)])
def test_killed_recall_is_finished_by_a_repeat(
    desk: DepositDesk, steps: "range | tuple[int, ...]"
) -> None:
    files = credited_files(desk, len(steps))

    ended = die_at_steps(desk.url, desk.folder, "recall", dict(zip(files, steps, strict=True)))
    assert_killed_at(ended, steps)
    before = desk.balances()
    desk.materialize()
    assert desk.balances() == before, "materializing credited something of a recalled file"
    for intake_id in files:
        assert desk.recall(intake_id).totals_minor == {"USD": 1500}

    assert set(desk.balances().values()) == {0}
    assert (desk.in_lake(), desk.file_breaks()) == ([], [])


@pytest.mark.parametrize(
    ("steps", "is_repeated"),
    [
        pytest.param(ALL_STEPS, True, marks=SOAK),
        pytest.param(ALL_STEPS, False, marks=SOAK),
    ],
)
def test_killed_reinstatement_credits_once(
    desk: DepositDesk, steps: "range | tuple[int, ...]", *, is_repeated: bool
) -> None:
    files = credited_files(desk, len(steps))
    for intake_id in files:
        desk.recall(intake_id)

    ended = die_at_steps(desk.url, desk.folder, "reinstate", dict(zip(files, steps, strict=True)))
    assert_killed_at(ended, steps)
    # Without a repeat, a later run of the date finishes what was begun and leaves the rest.
    desk.materialize()
    assert set(desk.balances().values()) <= {0, 1500}
    assert desk.file_breaks() == []
    if is_repeated:
        for intake_id in files:
            assert desk.reinstate(intake_id).totals_minor == {"USD": 1500}
        assert set(desk.balances().values()) == {1500}
        assert len(desk.in_lake()) == 2 * len(files)
