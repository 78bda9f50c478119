"""Sets the demo's processor clocks, and reads by when disputes are to be answered: from mart and work queue.

Belongs here: setting and reading. What the days should be is compared in orchestration.demo.truth.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from cardops.bootstrap import Adapters
from cardops.services.disputes.queue import QueueSelection
from orchestration.cli.known_programs import administration
from orchestration.composition import dispute_queue_of
from simulation.dispute_names import mart_name

BY: Final = "demo"
# The mart takes its day from the lake, the queue from the database's clock.
_MART: Final = """
select
    queue.network, queue.case_number, queue.transaction_id, queue.dispute_amount_minor,
    queue.stage, queue.clock, queue.reply_by_on, queue.days_left, queue.is_overdue,
    disputes.business_date, queue.as_of_on
from fct_dispute_queue as queue
inner join fct_disputes as disputes using (dispute_key)
where queue.program = ?
"""
_QUEUE: Final = (
    *("network", "case_number", "transaction_id", "dispute_amount_minor"),
    *("stage", "clock", "reply_by_on", "days_left"),
)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Open disputes by name as one of both places has them on `as_of`: stage, clock, day, days left, overdue."""

    as_of: date | None
    disputes: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class FoundDeadlines:
    """Both places, and on which day the last row of each open dispute arrived."""

    mart: Deadlines
    queue: Deadlines
    arrived_on: Mapping[str, date] = field(default_factory=dict)


def set_processor_clocks(adapters: Adapters, program: str, days: Mapping[str, int]) -> None:
    """What `cardops program clocks` does; clocks that are set already stay as they are."""
    programs = administration(adapters)
    known = programs.find(program).response_days
    changes = {clock: number for clock, number in days.items() if known.get(clock) != number}
    programs.set_response_days(program, changes, BY)


def found_deadlines(adapters: Adapters, program: str) -> FoundDeadlines:
    """What the program's team sees."""
    arrived_on: dict[str, date] = {}
    of_mart: dict[str, Mapping[str, Any]] = {}
    with adapters.warehouse.reading() as session:
        rows = session.execute(_MART, [program]).fetchall()
    as_of = rows[0][-1] if rows else None
    for *identity, stage, clock, reply_by, days_left, is_overdue, arrived, _ in rows:
        name = mart_name(*identity)
        arrived_on[name] = arrived
        of_mart[name] = _entry(stage, clock, reply_by, days_left, is_overdue=is_overdue)
    of_queue: dict[str, Mapping[str, Any]] = {}
    queues = dispute_queue_of(adapters)
    # What a team decided about is not in its list, and open all the same.
    selections = (QueueSelection(program, is_decided=is_decided) for is_decided in (False, True))
    for queue in map(queues.queue, selections):
        for part, frame in queue.parts().items():
            rows = frame.select(_QUEUE).rows()
            for *identity, stage, clock, reply_by, days_left in rows:
                is_overdue = part == "overdue"
                entry = _entry(stage, clock, reply_by, days_left, is_overdue=is_overdue)
                of_queue[mart_name(*identity)] = entry
    return FoundDeadlines(Deadlines(as_of, of_mart), Deadlines(queue.as_of, of_queue), arrived_on)


def _entry(
    stage: str, clock: str | None, reply_by: date | None, days_left: int | None, *, is_overdue: bool
) -> dict[str, Any]:
    return {
        "stage": stage,
        "clock": clock,
        "reply_by": reply_by and reply_by.isoformat(),
        "days_left": days_left,
        "is_overdue": is_overdue,
    }
