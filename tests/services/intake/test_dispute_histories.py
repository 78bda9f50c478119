"""Whatever files tell of disputes, what is known of them is what a model says that shares no rule with us.

The model keeps a diary of each dispute and looks everything up in it, slowly. Its tables of legal moves
and published days are written by hand.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import Phase, given, settings

from cardops.adapters.warehouse.lake_disputes import DuckDbDisputes
from tests.factories.disputed_files import CHARGEBACKS
from tests.factories.intake_environment import IntakeWorld, csv_file

HEADER = f"{CHARGEBACKS},stage,status,activity_date,reply_by_date,resolution_date,direction"
BEGAN = datetime(2026, 11, 10, tzinfo=UTC)
BEGAN_ON = date(2026, 11, 10)
PUBLISHED_DAYS = {
    ("visa", "chargeback"): 30,
    ("visa", "pre_arbitration"): 30,
    ("mastercard", "chargeback"): 45,
    ("mastercard", "pre_arbitration"): 30,
}
STAGES = ("chargeback", "representment", "pre_arbitration")
LEGAL = {
    *((network, stage, "won") for network in ("visa", "mastercard") for stage in STAGES),
    *(
        (network, start, end)
        for network in ("visa", "mastercard")
        for start, end in (*pairwise(STAGES), ("won", "pre_arbitration"))
    ),
    # Visa has it in one of its workflows, and without a reason code either may be meant.
    ("visa", "chargeback", "pre_arbitration"),
}
# As files write it -> when that is.
ACTIVITIES = {
    "2026-11-09": datetime(2026, 11, 9, tzinfo=UTC),
    "2026-11-12": datetime(2026, 11, 12, tzinfo=UTC),
    "2026-11-12T01:30:00+02:00": datetime(2026, 11, 11, 23, 30, tzinfo=UTC),
}


@dataclass(frozen=True)
class Line:
    """A row of a file. Without a case number its amount tells one dispute from another."""

    case: str
    network: str
    amount: str
    stage: str
    status: str
    activity: str
    reply_by: str
    resolved: str
    direction: str

    @property
    def text(self) -> str:
        told = (self.stage, self.status, self.activity, self.reply_by, self.resolved)
        start = f"t1,{self.amount},2026-11-10,USD,{self.case},{self.network}"
        return ",".join((start, *told, self.direction))

    @property
    def dispute(self) -> tuple[str, str]:
        return self.network, self.case or f"of {self.minor}"

    @property
    def minor(self) -> int:
        return int(self.amount.replace(".", ""))

    @property
    def money(self) -> int:
        return -self.minor if self.direction == "credit" else self.minor

    @property
    def state(self) -> tuple[object, ...]:
        return self.money, self.stage, self.status, self.reply_by, self.resolved

    @property
    def is_ended(self) -> bool:
        return self.status == "won"

    @property
    def earliest(self) -> datetime:
        is_told = self.is_ended and self.resolved
        return datetime.fromisoformat(f"{self.resolved}T00:00Z") if is_told else BEGAN


# Few values, so that states come back; amounts change, so that a step may correct another.
LINES = st.builds(
    Line,
    case=st.sampled_from(("c1", "c1", "c2", "")),
    network=st.sampled_from(("visa", "visa", "mastercard")),
    amount=st.sampled_from(("25.00", "25.00", "20.00")),
    stage=st.sampled_from(("chargeback", *STAGES)),
    status=st.sampled_from(("open", "open", "pending", "won")),
    activity=st.sampled_from(("", "", "", *ACTIVITIES)),
    reply_by=st.sampled_from(("", "", "2026-12-24")),
    resolved=st.sampled_from(("", "", "2026-11-11")),
    direction=st.sampled_from(("", "", "debit", "credit")),
)
FILES = st.lists(st.lists(LINES, min_size=1, max_size=8).map(tuple), min_size=1, max_size=5)


@dataclass(eq=False)
class Entry:
    """A line that was new, with what was found out about it; `number` 0: not yet."""

    line: Line
    time: datetime
    number: int = 0
    runs_from: date = BEGAN_ON
    fed: str = ""
    is_unexpected: bool = False
    # As it was told when it arrived: the lake's row keeps it.
    first_deadline: tuple[str, str] = ("None", "None")
    first_runs_from: date = BEGAN_ON

    @property
    def deadline(self) -> tuple[str, str]:
        days = PUBLISHED_DAYS.get((self.line.network, self.line.stage))
        if self.line.is_ended or not (self.fed or days):
            return "None", "None"
        if self.fed:
            return self.fed, "feed"
        return str(self.runs_from + timedelta(days=days or 0)), "published"


@dataclass
class Diary:
    """One dispute: its entries as they arrived."""

    today: date
    entries: list[Entry] = field(default_factory=list)

    def timeline(self) -> list[Entry]:
        return sorted(self.entries, key=lambda entry: entry.time)

    def tell(self, lines: Sequence[Line], *, is_file_again: bool) -> list[Entry]:
        """The new ones."""
        if is_file_again:
            fresh = list(self._unknown(lines))
        else:
            dated = list(self._unknown([line for line in lines if line.activity]))
            changes = self._changes([line for line in lines if not line.activity])
            fresh = sorted([*dated, *changes], key=lambda line: places_of(lines)[id(line)])
        added = [self._enter(line) for line in fresh]
        for before, entry in pairwise([None, *self.timeline()]):
            if entry is not None:
                self._set_clock(entry, before)
                if entry.number == 0:
                    self._find_out(entry, before)
        return added

    def _unknown(self, lines: Sequence[Line]) -> Iterator[Line]:
        """Those that nobody told before, with that date."""
        told = {(entry.line.state, written(entry.line)) for entry in self.entries}
        for line in lines:
            if (line.state, written(line)) not in told:
                told.add((line.state, written(line)))
                yield line

    def _changes(self, lines: Sequence[Line]) -> list[Line]:
        """The states of an undated report after those with which the dispute ends already."""
        states = squeezed([line.state for line in lines])
        known = squeezed([entry.line.state for entry in self.timeline()])
        places = [
            place
            for place, line in enumerate(lines)
            if place == 0 or lines[place - 1].state != line.state
        ]
        # A dispute does not come back to a stage that it has left: told again, it is its history.
        stages = [entry.line.stage for entry in self.timeline()]
        history = [
            entry.line.state
            for entry in self.timeline()
            if stages[-1] in STAGES[1:] and entry.line.stage in STAGES[: STAGES.index(stages[-1])]
        ]
        old = 0
        while old < len(states) and states[old] in history:
            old += 1
        told_before = max(
            start + count
            for start in {0, old}
            for count in range(min(len(states) - start, len(known)) + 1)
            if known[len(known) - count :] == states[start : start + count]
        )
        return [lines[place] for place in places[told_before:]]

    def _enter(self, line: Line) -> Entry:
        times = [entry.time for entry in self.entries]
        time = ACTIVITIES.get(line.activity) or max([*times, line.earliest])
        self.entries.append(Entry(line, time))
        return self.entries[-1]

    def _set_clock(self, entry: Entry, before: Entry | None) -> None:
        """A step that comes late may lie before others, and change theirs."""
        entry.fed = entry.line.reply_by
        if before is None:
            entry.runs_from = BEGAN_ON
        elif before.line.is_ended or before.line.stage != entry.line.stage:
            if entry.line.activity:
                entry.runs_from = entry.time.date()
            elif entry.number == 0:
                entry.runs_from = self.today
            else:
                entry.runs_from = max(entry.first_runs_from, entry.time.date())
        else:
            entry.runs_from = before.runs_from
            entry.fed = entry.fed or before.fed

    def _find_out(self, entry: Entry, before: Entry | None) -> None:
        stage = entry.line.stage
        numbers = [other.number for other in self.entries if other.line.stage == stage]
        entry.number = max(numbers) + 1
        entry.first_deadline = entry.deadline
        entry.first_runs_from = entry.runs_from
        if before is not None and before.line.stage != stage:
            moves = [
                (entry.line.network, start, end)
                for start in (before.line.stage, before.line.status)
                for end in (stage, entry.line.status)
            ]
            entry.is_unexpected = LEGAL.isdisjoint(moves)

    def opening(self) -> tuple[str, int]:
        """The stage where it is, and how often it came there or was opened again there."""
        openings = Counter[str]()
        for before, entry in pairwise([None, *self.timeline()]):
            stage = entry.line.stage if entry else ""
            if before is None or before.line.is_ended or before.line.stage != stage:
                openings[stage] += 1
        now = self.timeline()[-1].line.stage
        return now, openings[now]


def written(line: Line) -> datetime | None:
    return ACTIVITIES.get(line.activity)


def places_of(lines: Sequence[Line]) -> dict[int, int]:
    return {id(line): place for place, line in enumerate(lines)}


def squeezed(states: Sequence[object]) -> list[object]:
    """Without those that stand twice in a row."""
    return [state for place, state in enumerate(states) if place == 0 or states[place - 1] != state]


@dataclass
class Model:
    """All disputes of a program."""

    today: date
    diaries: dict[tuple[str, str], Diary] = field(init=False)
    files: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.diaries = defaultdict(lambda: Diary(self.today))

    def tell(self, lines: tuple[Line, ...]) -> list[Entry]:
        content = "\n".join(line.text for line in lines)
        added = [
            entry
            for dispute in {line.dispute: None for line in lines}
            for entry in self.diaries[dispute].tell(
                [line for line in lines if line.dispute == dispute],
                is_file_again=content in self.files,
            )
        ]
        self.files.add(content)
        return added

    def steps(self) -> list[tuple[object, ...]]:
        return sorted(
            (
                *dispute,
                entry.line.stage,
                entry.number,
                entry.line.status,
                entry.line.money,
                *entry.first_deadline,
                entry.is_unexpected,
                str(entry.time),
            )
            for dispute, diary in self.diaries.items()
            for entry in diary.entries
        )

    def clocks(self) -> list[tuple[object, ...]]:
        return sorted(
            (*dispute, entry.line.stage, entry.number, *entry.deadline)
            for dispute, diary in self.diaries.items()
            for entry in diary.entries
        )

    def open(self) -> list[tuple[object, ...]]:
        return sorted(
            (*dispute, *diary.opening(), last.line.status, last.line.money, *last.deadline)
            for dispute, diary in self.diaries.items()
            for last in diary.timeline()[-1:]
            if not last.line.is_ended
        )


def named(network: str, case: str, minor: int) -> tuple[str, str]:
    """The dispute as the model names it."""
    return network, f"of {abs(minor)}" if case.startswith("C-") else case


def steps_of(world: IntakeWorld) -> list[tuple[object, ...]]:
    columns = ("network", "case_number", "dispute_amount_minor", "stage", "action_sequence")
    told = ("status", "reply_by_on", "clock", "flags", "happened_at")
    rows = world.rows("chargebacks").select(*columns, *told).rows()
    return sorted(
        (
            *named(network, case, minor),
            *(stage, number, status, minor, str(reply_by), str(clock)),
            "unexpected_stage" in flags,
            str(happened_at),
        )
        for network, case, minor, stage, number, status, reply_by, clock, flags, happened_at in rows
    )


def clocks_of(world: IntakeWorld) -> list[tuple[object, ...]]:
    """Of each step, as it is now known."""
    disputes = DuckDbDisputes(world.lake)
    cases = world.rows("chargebacks")["case_number"].unique()
    return sorted(
        (
            *named(step.opening.dispute.network, case, step.amount_minor),
            *(step.opening.stage, step.action_sequence, str(step.reply_by_on), str(step.clock)),
        )
        for case in cases
        for step in disputes.steps(case)
    )


def open_of(world: IntakeWorld) -> list[tuple[object, ...]]:
    columns = ("network", "case_number", "dispute_amount_minor", "stage", "opening_number")
    found = DuckDbDisputes(world.lake).open_disputes()
    rows = found.select(*columns, "status", "reply_by_on", "clock").rows()
    return sorted(
        (*named(network, case, minor), stage, number, status, minor, str(reply_by), str(clock))
        for network, case, minor, stage, number, status, reply_by, clock in rows
    )


@pytest.mark.parametrize("examples", [6, pytest.param(300, marks=pytest.mark.soak)])
def test_disputes_are_what_a_model_makes_of_the_same_files(examples: int) -> None:
    @settings(max_examples=examples, deadline=None, database=None, phases=[Phase.generate])
    @given(FILES)
    def check(files: list[tuple[Line, ...]]) -> None:
        world = IntakeWorld()
        model = Model(world.clock.now().date())
        for lines in files:
            content = csv_file(HEADER, *(line.text for line in lines))
            outcome = world.submit("chargebacks", content)
            added = model.tell(lines)
            assert outcome.quarantined == 0
            assert (outcome.accepted, outcome.duplicate) == (len(added), len(lines) - len(added))
            money = sum(entry.line.money for entry in added)
            assert outcome.totals_minor == ({"USD": money} if added else {})
        assert steps_of(world) == model.steps()
        assert open_of(world) == model.open()
        assert clocks_of(world) == model.clocks()

    check()
