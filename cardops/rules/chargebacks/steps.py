"""The steps of one dispute: which reported rows are new, in which order they happened, their numbers.

Belongs here: one dispute, spelled out. Whole files are judged by cardops.contracts.kinds.dispute_steps,
which asks this rule only for disputes that have several rows.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile
from typing import Final, Generic, TypeVar

from cardops.rules.chargebacks.disputes import ENDED, Stage

# No network moves a dispute back to one of these that it has left.
_STAGE_ORDER: Final = {stage: place for place, stage in enumerate(Stage) if stage not in ENDED}


@dataclass(frozen=True, slots=True)
class DisputeRow:
    """A reported row. `state`: all that it says, except when it happened.

    `activity`: when the step happened, None where the row does not say. `since`: the earliest time at
    which it can have happened. Both in microseconds since 1970.
    """

    state: Hashable
    stage: str
    activity: int | None
    since: int


# A row, or one with more columns.
Row = TypeVar("Row", bound=DisputeRow)


@dataclass(frozen=True, slots=True)
class NumberedStep(Generic[Row]):
    """A new step after the one `before` it in activity order; `arrival`: its place among the new ones.

    `time`: when it happened, in microseconds since 1970.
    """

    row: Row
    before: Row | None
    arrival: int
    number: int
    time: int


def new_steps(
    history: Sequence[DisputeRow], rows: Sequence[DisputeRow], *, is_file_again: bool = False
) -> list[bool]:
    """Which of a file's rows of a dispute are new steps; the others repeat what is known.

    `history`: the accepted rows and `rows` the file's, both as they arrived. A dated row repeats a step
    with the same content and date. Rows without a date report the dispute's states in their order: equal
    neighbours are one, and what the file reports first may be the end of what is known, or known states
    of stages that the dispute has left. All else is a new step, so a return to an earlier state of the
    same stage, or after an end, is one. `is_file_again`: the whole file was ingested before, so whatever
    it says that is known is a repeat.
    """
    known = {(row.state, row.activity) for row in history}
    reported = _without_equal_neighbours(row.state for row in rows if row.activity is None)
    steps = in_activity_order(history)
    states = _without_equal_neighbours(row.state for row in steps)
    left = _states_of_stages_left(steps)
    past = len(list(takewhile(left.__contains__, reported)))  # guard: left-stage-is-past
    repeated = max(_overlap(states, reported), past + _overlap(states, reported[past:]))
    found: list[bool] = []
    place, latest = -1, None
    for row in rows:
        if row.activity is not None or is_file_again:
            found.append((row.state, row.activity) not in known)
            known.add((row.state, row.activity))
            continue
        is_change = place < 0 or row.state != latest
        place, latest = place + is_change, row.state
        found.append(is_change and place >= repeated)  # guard: return-is-a-step
    return found


def in_activity_order(rows: Sequence[Row]) -> list[Row]:
    """Rows, given as they arrived, in the order in which their steps happened."""
    times = activity_times(rows)
    return [rows[place] for place in sorted(range(len(rows)), key=times.__getitem__)]


def activity_times(rows: Sequence[DisputeRow]) -> list[int]:
    """When each step happened; rows are given as they arrived.

    A row without a date of its own comes after all that arrived before it.
    """
    times: list[int] = []
    latest: int | None = None
    for row in rows:
        stated = row.since if row.activity is None else row.activity
        latest = stated if latest is None else max(latest, stated)
        times.append(latest if row.activity is None else row.activity)
    return times


def numbered_steps(history: Sequence[Row], steps: Sequence[Row]) -> list[NumberedStep[Row]]:
    """New steps, given as they arrived, in activity order among those that are known.

    Numbers count 1, 2, … a stage, after those that are given out.
    """
    rows = [*history, *steps]
    times = activity_times(rows)
    counts = Counter(row.stage for row in history)
    found: list[NumberedStep[Row]] = []
    before: Row | None = None
    for place in sorted(range(len(rows)), key=times.__getitem__):
        row = rows[place]
        if place >= len(history):
            counts[row.stage] += 1
            arrival = place - len(history)
            found.append(NumberedStep(row, before, arrival, counts[row.stage], times[place]))
        before = row
    return found


def _states_of_stages_left(steps: Sequence[DisputeRow]) -> frozenset[Hashable]:
    """What is known of stages before the one at which the dispute is; none once that is an end."""
    present = _STAGE_ORDER.get(Stage(steps[-1].stage), 0) if steps else 0
    return frozenset(
        step.state for step in steps if _STAGE_ORDER.get(Stage(step.stage), present) < present
    )


def _without_equal_neighbours(states: Iterable[Hashable]) -> list[Hashable]:
    return [state for state, _ in groupby(states)]


def _overlap(known: Sequence[Hashable], reported: Sequence[Hashable]) -> int:
    """The largest number of states that end what is known and begin what is reported."""
    for count in range(min(len(known), len(reported)), 0, -1):
        if known[-count:] == reported[:count]:
            return count
    return 0
