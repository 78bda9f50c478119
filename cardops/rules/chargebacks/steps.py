"""The steps of one dispute: which reported rows are new, in which order they happened, their numbers.

Belongs here: one dispute, spelled out. Whole files are judged by cardops.contracts.kinds.dispute_steps,
which asks this rule only for disputes that have several rows.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise


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


def new_steps(
    history: Sequence[DisputeRow], rows: Sequence[DisputeRow], *, is_file_again: bool = False
) -> list[bool]:
    """Which of a file's rows of a dispute are new steps; the others repeat what is known.

    `history`: the accepted rows and `rows` the file's, both as they arrived. A dated row repeats a step
    with the same content and date. Rows without a date tell the dispute's states in their order: equal
    neighbours are one, and what the file tells first may be the end of what is known. All else is a
    new step, so a return to an earlier state is one. `is_file_again`: the whole file was ingested
    before, so whatever it says that is known is a repeat.
    """
    known = {(row.state, row.activity) for row in history}
    told = _without_equal_neighbours(row.state for row in rows if row.activity is None)
    states = _without_equal_neighbours(row.state for row in in_activity_order(history))
    repeated = _overlap(states, told)
    found: list[bool] = []
    place, latest = -1, None
    for row in rows:
        if row.activity is not None or is_file_again:
            found.append((row.state, row.activity) not in known)
            known.add((row.state, row.activity))
            continue
        is_change = place < 0 or row.state != latest
        place, latest = place + is_change, row.state
        found.append(is_change and place >= repeated)
    return found


def in_activity_order(rows: Sequence[DisputeRow]) -> list[DisputeRow]:
    """Rows, given as they arrived, in the order in which their steps happened.

    A row without a date of its own comes after all that arrived before it.
    """
    times: list[int] = []
    latest: int | None = None
    for row in rows:
        stated = row.since if row.activity is None else row.activity
        latest = stated if latest is None else max(latest, stated)
        times.append(latest if row.activity is None else row.activity)
    return [rows[place] for place in sorted(range(len(rows)), key=times.__getitem__)]


def action_sequences(history: Sequence[DisputeRow], steps: Sequence[DisputeRow]) -> list[int]:
    """The numbers of new steps: 1, 2, … a stage in activity order, after those that are given out."""
    counts = Counter(row.stage for row in history)
    own = {id(step) for step in steps}
    numbers: dict[int, int] = {}
    for row in in_activity_order([*history, *steps]):
        if id(row) in own:
            counts[row.stage] += 1
            numbers[id(row)] = counts[row.stage]
    return [numbers[id(step)] for step in steps]


def unexpected_steps(
    history: Sequence[DisputeRow],
    steps: Sequence[DisputeRow],
    is_legal: Callable[[DisputeRow, DisputeRow], bool],
) -> list[bool]:
    """Which of the new steps are at another stage than the step before them, and not by a legal move."""
    own = {id(step) for step in steps}
    ordered = in_activity_order([*history, *steps])
    unexpected = {
        id(step)
        for before, step in pairwise(ordered)
        if id(step) in own and before.stage != step.stage and not is_legal(before, step)
    }
    return [id(step) in unexpected for step in steps]


def _without_equal_neighbours(states: Iterable[Hashable]) -> list[Hashable]:
    return [state for state, _ in groupby(states)]


def _overlap(known: Sequence[Hashable], told: Sequence[Hashable]) -> int:
    """The largest number of states that end what is known and begin what is told."""
    for count in range(min(len(known), len(told)), 0, -1):
        if known[-count:] == told[:count]:
            return count
    return 0
