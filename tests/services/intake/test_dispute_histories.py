"""Whatever files tell of disputes, state, number, clock and money are those of one dispute by itself."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal

import hypothesis.strategies as st
import pytest
from hypothesis import Phase, given, settings

from cardops.rules.chargebacks.steps import (
    DisputeRow,
    in_activity_order,
    new_steps,
)
from tests.factories.disputed_files import CHARGEBACKS
from tests.factories.intake_environment import IntakeWorld, csv_file

HEADER = f"{CHARGEBACKS},stage,status,activity_date,reply_by_date"
TENTH = date(2026, 11, 10)
DAY = 86_400_000_000
# Few values, so that states come back; amounts change, so that a step may correct another.
LINES = st.builds(
    "t1,{},2026-11-10,USD,{},visa,{},{},{},{}".format,
    st.sampled_from(("25.00", "25.00", "20.00")),
    st.sampled_from(("c1", "c2")),
    st.sampled_from(("chargeback", "pre_arbitration")),
    st.sampled_from(("open", "open", "won")),
    st.sampled_from(("", "", "", "2026-11-09", "2026-11-12")),
    st.sampled_from(("", "", "2026-12-24")),
)
FILES = st.lists(st.lists(LINES, min_size=1, max_size=6).map(tuple), min_size=1, max_size=5)


@dataclass(frozen=True)
class ToldRow(DisputeRow):
    amount_minor: int = 0
    status: str = ""
    reply_by: date | None = None
    number: int = 0
    # Where its clock runs from, and the date that the feed named for it.
    clock: tuple[date, date | None] = (TENTH, None)

    @property
    def deadline(self) -> tuple[date | None, str | None]:
        runs_from, fed = self.clock
        if self.status == "won":
            return None, None
        # Visa's published days are 30 at both stages.
        return (fed, "feed") if fed else (runs_from + timedelta(days=30), "published")


@dataclass
class ToldDisputes:
    """The accepted steps of each case, as they arrived."""

    today: date
    steps: dict[str, list[ToldRow]] = field(default_factory=lambda: defaultdict(list))
    files: set[tuple[str, ...]] = field(default_factory=set)

    def tell(self, lines: tuple[str, ...]) -> tuple[int, int]:
        """The counts of accepted and repeated rows."""
        accepted = 0
        for case in ("c1", "c2"):
            history = self.steps[case]
            rows = [row_of(line) for line in lines if f",{case}," in line]
            is_new = new_steps(history, rows, is_file_again=lines in self.files)
            steps = [row for row, new in zip(rows, is_new, strict=True) if new]
            history += steps
            self._number(history, len(steps))
            self._run_clocks(history, len(steps))
            accepted += len(steps)
        self.files.add(lines)
        return accepted, len(lines) - accepted

    def _number(self, history: list[ToldRow], new: int) -> None:
        """The first new step of a stage as it happened gets the number after the largest, and so on."""
        fresh = history[len(history) - new :]
        for row in in_activity_order(list(history)):
            if any(row is step for step in fresh):
                given = [step.number for step in history if step.stage == row.stage]
                place = next(index for index, step in enumerate(history) if step is row)
                history[place] = replace(row, number=max(given) + 1)

    def _run_clocks(self, history: list[ToldRow], new: int) -> None:
        """Step after step as they happened; the last `new` to arrive have no clock yet."""
        fresh, before = history[len(history) - new :], None
        places = {id(row): place for place, row in enumerate(history)}
        for row in in_activity_order(list(history)):
            clocked = row
            if any(row is step for step in fresh):
                clocked = replace(row, clock=self._clock_after(before, row))
                history[places[id(row)]] = clocked
            before = clocked

    def _clock_after(self, before: ToldRow | None, row: ToldRow) -> tuple[date, date | None]:
        if before is None:
            return TENTH, row.reply_by
        if before.status == "won" or before.stage != row.stage:
            happened_on = date(2026, 11, row.activity // DAY) if row.activity else self.today
            return happened_on, row.reply_by
        return before.clock[0], row.reply_by or before.clock[1]

    def known(self) -> list[tuple[object, ...]]:
        return sorted(
            (case, row.stage, row.number, row.status, row.amount_minor, *map(str, row.deadline))
            for case, rows in self.steps.items()
            for row in rows
        )

    def current(self) -> dict[str, tuple[object, ...]]:
        """State, clock and money of each case now."""
        last = {case: in_activity_order(rows)[-1] for case, rows in self.steps.items() if rows}
        return {
            case: (row.stage, row.status, row.amount_minor, *map(str, row.deadline))
            for case, row in last.items()
        }


def row_of(line: str) -> ToldRow:
    _, amount, _, _, _, _, stage, status, activity, reply_by = line.split(",")
    day = int(activity[-2:]) * DAY if activity else None
    # Every dispute begins on the tenth, and no end has a date of its own.
    return ToldRow(
        (amount, stage, status, reply_by),
        stage,
        day,
        10 * DAY,
        int(Decimal(amount) * 100),
        status,
        date.fromisoformat(reply_by) if reply_by else None,
    )


STATE = ("stage", "status", "dispute_amount_minor", "reply_by_on", "clock")


@pytest.mark.parametrize("examples", [4, pytest.param(150, marks=pytest.mark.soak)])
def test_files_of_disputes_are_judged_as_each_dispute_by_itself(examples: int) -> None:
    @settings(max_examples=examples, deadline=None, database=None, phases=[Phase.generate])
    @given(FILES)
    def check(files: list[tuple[str, ...]]) -> None:
        world = IntakeWorld()
        told = ToldDisputes(world.clock.now().date())
        for lines in files:
            outcome = world.submit("chargebacks", csv_file(HEADER, *lines))
            assert (outcome.accepted, outcome.duplicate) == told.tell(lines)

        rows = world.rows("chargebacks")
        kept = rows.select("case_number", "stage", "action_sequence", *STATE[1:]).rows()
        assert sorted((*row[:5], *map(str, row[5:])) for row in kept) == told.known()
        last = rows.sort("happened_at", "intake_id", "row_number").group_by("case_number").last()
        current = last.select("case_number", *STATE).rows()
        assert {row[0]: (*row[1:4], *map(str, row[4:])) for row in current} == told.current()

    check()
