"""The work queue: open disputes by days left, overdue ones apart, with their owners.

Belongs here: the lake's open disputes joined with what operators recorded, the queue's order and its
selections, as whole columns: there may be a million open disputes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from cardops.contracts.lake.disputes import KEY
from cardops.ports import Clock, DisputeRecords, Disputes
from cardops.rules.chargebacks.queue import DisputeRecord, RecordKind

_DECISIONS: Final = {RecordKind.ACCEPT: "accepted", RecordKind.CLOSE: "closed"}
_OPENING: Final = (*KEY, "stage", "opening_number")


@dataclass(frozen=True, slots=True)
class QueueSelection:
    """Which disputes to show: all conditions hold, but of the two about days one is enough.

    `is_decided`: those that were accepted or closed here and are still open at the card company.
    """

    program: str | None = None
    network: str | None = None
    stage: str | None = None
    owner: str | None = None
    due_within: int | None = None
    is_overdue: bool = False
    is_unassigned: bool = False
    is_decided: bool = False


@dataclass(frozen=True, slots=True)
class DisputeQueue:
    """The queue as of one date: frames with the columns of OPEN_DISPUTES and those of `queue_frame`.

    `to_answer`: nearest deadline first. `overdue`: latest deadline first. `undated`: nobody says by
    when, oldest first.
    """

    as_of: date
    to_answer: pl.DataFrame
    undated: pl.DataFrame
    overdue: pl.DataFrame

    def parts(self) -> Mapping[str, pl.DataFrame]:
        """The three parts by name, in the order in which to work on them."""
        return {"to_answer": self.to_answer, "undated": self.undated, "overdue": self.overdue}


@dataclass(frozen=True, slots=True)
class QueueService:
    """Reads the queue."""

    disputes: Disputes
    records: DisputeRecords
    clock: Clock

    def queue(self, selection: QueueSelection) -> DisputeQueue:
        """The selected disputes as of the clock's date, in UTC."""
        as_of = self.clock.now().date()
        frame = queue_frame(self.disputes.open_disputes(), self.records.standing(), as_of)
        return ordered(frame.filter(_selected(selection)), as_of)


def queue_frame(
    open_disputes: pl.DataFrame, standing: Sequence[DisputeRecord], as_of: date
) -> pl.DataFrame:
    """Open disputes with `days_left, age_days, owner, decision`, in no order.

    `decision`: accepted or closed, of the dispute's present opening.
    """
    owners = _frame([record for record in standing if record.kind is RecordKind.ASSIGN], KEY)
    decided = _frame([record for record in standing if record.kind in _DECISIONS], _OPENING)
    return (
        open_disputes.join(owners.select(*KEY, "owner"), on=KEY, how="left")
        .join(decided.select(*_OPENING, "decision"), on=_OPENING, how="left")
        .with_columns(
            (pl.col("reply_by_on") - pl.lit(as_of)).dt.total_days().alias("days_left"),
            (pl.lit(as_of) - pl.col("opened_on")).dt.total_days().alias("age_days"),
        )
    )


def ordered(frame: pl.DataFrame, as_of: date) -> DisputeQueue:
    """The queue of these disputes; equal deadlines follow by age, then by program, network and case."""
    by_age = ("opened_on", *KEY)
    days_left = pl.col("days_left")
    return DisputeQueue(
        as_of,
        to_answer=frame.filter(days_left >= 0).sort("days_left", *by_age),
        undated=frame.filter(days_left.is_null()).sort(*by_age),
        overdue=frame.filter(days_left < 0).sort(
            "days_left", *by_age, descending=[True, *(False for _ in by_age)]
        ),
    )


def _selected(selection: QueueSelection) -> pl.Expr:
    wanted = [
        pl.col(name) == value
        for name, value in (
            ("program", selection.program),
            ("network", selection.network),
            ("stage", selection.stage),
            ("owner", selection.owner),
        )
        if value is not None
    ]
    days_left, decision = pl.col("days_left"), pl.col("decision")
    days = [days_left < 0] if selection.is_overdue else []
    if selection.due_within is not None:
        days.append(days_left.is_between(0, selection.due_within))
    if days:
        wanted.append(pl.any_horizontal(*days))
    if selection.is_unassigned:
        wanted.append(pl.col("owner").is_null())
    wanted.append(decision.is_not_null() if selection.is_decided else decision.is_null())
    return pl.all_horizontal(*wanted)


def _frame(records: Sequence[DisputeRecord], key: Sequence[str]) -> pl.DataFrame:
    rows = [
        (
            record.request.opening.dispute.program,
            record.request.opening.dispute.network,
            record.request.opening.dispute.case_number,
            record.request.opening.stage,
            record.request.opening.number,
            record.request.owner,
            _DECISIONS.get(record.kind),
        )
        for record in records
    ]
    return pl.DataFrame(
        rows,
        schema={
            **dict.fromkeys((*KEY, "stage"), pl.String()),
            "opening_number": pl.Int64(),
            "owner": pl.String(),
            "decision": pl.String(),
        },
        orient="row",
    ).unique(subset=list(key))
