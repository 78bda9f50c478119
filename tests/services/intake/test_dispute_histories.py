"""Whatever files tell of disputes, intake accepts and numbers what the rule for one dispute says."""

from collections import defaultdict
from dataclasses import dataclass, field

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from cardops.rules.chargebacks.steps import DisputeRow, action_sequences, new_steps
from tests.factories.disputed_files import CHARGEBACKS, DISPUTED
from tests.factories.intake_environment import IntakeWorld, csv_file

HEADER = f"{CHARGEBACKS},stage,status,activity_date"
# A transaction of another case is another dispute; few values, so that states come back.
LINES = st.builds(
    "{},{},{},{}".format,
    st.sampled_from((DISPUTED, DISPUTED.replace("c1", "c2"))),
    st.sampled_from(("chargeback", "pre_arbitration")),
    st.sampled_from(("open", "won")),
    st.sampled_from(("", "", "", "2026-11-09", "2026-11-12")),
)
FILES = st.lists(st.lists(LINES, min_size=1, max_size=6).map(tuple), min_size=1, max_size=5)
DAY = 86_400_000_000


@dataclass
class ToldDisputes:
    """The accepted steps of each case with their numbers, one row after another."""

    steps: dict[str, list[DisputeRow]] = field(default_factory=lambda: defaultdict(list))
    numbers: list[tuple[str, str, int]] = field(default_factory=list)
    files: set[tuple[str, ...]] = field(default_factory=set)

    def tell(self, lines: tuple[str, ...]) -> tuple[int, int]:
        """The counts of accepted and repeated rows."""
        accepted = 0
        for case in ("c1", "c2"):
            history = self.steps[case]
            rows = [row_of(line) for line in lines if f",{case}," in line]
            is_new = new_steps(history, rows, is_file_again=lines in self.files)
            steps = [row for row, new in zip(rows, is_new, strict=True) if new]
            numbers = action_sequences(history, steps)
            self.numbers += [
                (case, step.stage, number) for step, number in zip(steps, numbers, strict=True)
            ]
            history += steps
            accepted += len(steps)
        self.files.add(lines)
        return accepted, len(lines) - accepted


def row_of(line: str) -> DisputeRow:
    *_, stage, status, activity = line.split(",")
    day = int(activity[-2:]) * DAY if activity else None
    # Every dispute begins on the tenth, and no end has a date of its own.
    return DisputeRow((stage, status), stage, day, 10 * DAY)


@pytest.mark.parametrize("examples", [4, pytest.param(150, marks=pytest.mark.soak)])
def test_files_of_disputes_are_judged_as_each_dispute_by_itself(examples: int) -> None:
    @settings(max_examples=examples, deadline=None, database=None)
    @given(FILES)
    def check(files: list[tuple[str, ...]]) -> None:
        world, told = IntakeWorld(), ToldDisputes()
        for lines in files:
            outcome = world.submit("chargebacks", csv_file(HEADER, *lines))
            assert (outcome.accepted, outcome.duplicate) == told.tell(lines)

        columns = ("case_number", "stage", "action_sequence")
        found = world.rows("chargebacks").select(columns).rows()
        assert sorted(found) == sorted(told.numbers)
        assert len(set(found)) == len(found)

    check()
