"""By when a step of a dispute has to be answered, and which clock says so.

Belongs here: from which day a clock runs, and which of the three counts: the feed's reply-by date, the
days that the program's processor leaves, or the published ones, which are dated data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from cardops.rules.chargebacks.disputes import ENDED, Stage, response_days, workflow_of
from cardops.rules.chargebacks.routing import NETWORKS

MAX_DAYS: Final = 365
# `<network>/<stage>` -> days; of a program without clocks of its own.
NO_CLOCKS: Final[Mapping[str, int]] = {}


class DeadlineSource(StrEnum):
    """Where a deadline comes from, in the order of precedence."""

    FEED = "feed"
    PROCESSOR = "processor"
    PUBLISHED = "published"


@dataclass(frozen=True, slots=True)
class Deadline:
    """The last day for a response, and where that comes from."""

    due_on: date
    source: DeadlineSource


@dataclass(frozen=True, slots=True)
class RunningClock:
    """The day from which a step's clock runs, and the reply-by date that the feed named for it."""

    runs_from: date
    feed_reply_by: date | None


@dataclass(frozen=True, slots=True)
class ClockedStep:
    """What the clock of the next step depends on."""

    stage: str
    is_ended: bool
    clock: RunningClock


def next_clock(
    before: ClockedStep | None,
    *,
    stage: str,
    dispute_date: date,
    happened_on: date,
    reply_by: date | None,
) -> RunningClock:
    """The clock of a step after `before`.

    The first one runs from the day of the dispute. Another stage, or a dispute that was ended and is
    open again, starts a new one; an update of the same stage changes only what it says.
    """
    if before is None:
        return RunningClock(dispute_date, reply_by)
    if before.is_ended or before.stage != stage:  # guard: new-clock
        return RunningClock(happened_on, reply_by)
    return RunningClock(before.clock.runs_from, reply_by or before.clock.feed_reply_by)


def merchant_deadline(
    network: str,
    stage: Stage,
    clock: RunningClock,
    *,
    reason_category: str | None = None,
    processor_days: Mapping[str, int] = NO_CLOCKS,
) -> Deadline | None:
    """The merchant's last day to respond at that stage; None where nobody says one.

    Processors shorten the published days, so a published date is an upper bound.
    """
    if clock.feed_reply_by is not None:
        return Deadline(clock.feed_reply_by, DeadlineSource.FEED)
    days, source = processor_days.get(f"{network}/{stage}"), DeadlineSource.PROCESSOR
    if days is None:
        workflow = workflow_of(network, reason_category) if reason_category else None
        days = response_days(network, stage, "merchant", workflow=workflow, on=clock.runs_from)
        source = DeadlineSource.PUBLISHED
    return None if days is None else Deadline(clock.runs_from + timedelta(days=days), source)


def clock_problem(clock: str, days: int | None) -> str | None:
    """What makes `<network>/<stage>` or its days invalid, or None."""
    network, _, stage = clock.partition("/")
    open_stages = [str(name) for name in Stage if name not in ENDED]
    if network not in NETWORKS or stage not in open_stages:
        return (
            f"{clock[:64]!a} names no clock: write one of {', '.join(NETWORKS)}, a slash and one of "
            f"{', '.join(open_stages)}."
        )
    if days is not None and not 1 <= days <= MAX_DAYS:
        return f"{clock}: the days must be between 1 and {MAX_DAYS}."
    return None
