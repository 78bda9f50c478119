"""Rows of disputes that have several, judged as sequences: whole columns to the rule and back.

Belongs here: which rows the rule is asked about, and the translation. The rule itself is
cardops.rules.chargebacks.steps.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import polars as pl

from cardops.contracts.columns.types import INSTANT
from cardops.contracts.kinds.dispute_clocks import CARRIED, is_ended, since
from cardops.contracts.kinds.profile import ADDED_FLAG, RowSequence
from cardops.rules.chargebacks.clocks import ClockedStep, RunningClock, next_clock
from cardops.rules.chargebacks.disputes import Stage, is_legal, workflow_of
from cardops.rules.chargebacks.reason_codes import find_reason
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.chargebacks.steps import (
    DisputeRow,
    activity_times,
    new_steps,
    numbered_steps,
)
from cardops.rules.intake.files import RowFlag

_NUMBER: Final = "action_sequence"
_ADDED: Final = pl.Schema(
    {
        _NUMBER: pl.Int64(),
        ADDED_FLAG: pl.String(),
        "clock_from": pl.Date(),
        CARRIED: pl.Date(),
        "happened_at": INSTANT,
    }
)
_OUTCOMES: Final = pl.Schema({"row_number": pl.Int64(), "outcome": pl.String(), **_ADDED})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING: Final = (None,) * len(_ADDED)
_READ: Final = ("id", "is_new", "file", "row_number", "is_file_again", "state 0", "state 1")


def judge_steps(rows: pl.DataFrame) -> pl.DataFrame:
    """See `RowSequence.judge`: each file's rows of a dispute follow all that is known by then."""
    plain = _single_repeats(rows)
    others = rows if plain.is_empty() else rows.join(plain, on="id", how="anti")
    if others.is_empty():
        return _duplicates(plain)
    read = others.select(
        *_READ,
        "network",
        "reason_code",
        "status",
        "dispute_date",
        "arrived_on",
        pl.coalesce("clock_from", "dispute_date").alias("clock_from"),
        pl.col("reply_by_date").alias("reply_by"),
        is_ended().alias("is_ended"),
        "stage",
        pl.col("activity_date").dt.epoch("us"),
        since().dt.epoch("us").fill_null(0).alias("since"),
    )
    found = [
        outcome
        for _, dispute in groupby(read.iter_rows(), key=itemgetter(0))
        for outcome in _dispute_outcomes(list(dispute))
    ]
    judged = pl.DataFrame(found, schema=_OUTCOMES, orient="row")
    return pl.concat([_duplicates(plain), judged])


def _single_repeats(rows: pl.DataFrame) -> pl.DataFrame:
    """`id` and `row_number` where one known row is said again as it was: most of a file sent twice."""
    same = [
        (pl.col(name).first() == pl.col(name).last()).alias(f"same {name}")
        for name in ("state 0", "state 1")
    ]
    dated = pl.col("activity_date")
    pairs = rows.group_by("id", maintain_order=True).agg(
        pl.len().alias("count"),
        pl.col("is_new").sum().alias("new"),
        *same,
        dated.first().eq_missing(dated.last()).alias("same date"),
        pl.col("row_number").last(),
    )
    is_repeat = (pl.col("count") == 2) & (pl.col("new") == 1)  # noqa: PLR2004 - one known, one new
    return pairs.filter(is_repeat, "same state 0", "same state 1", "same date").select(
        "id", "row_number"
    )


def _duplicates(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        "row_number",
        pl.lit("duplicate").alias("outcome"),
        *(pl.lit(None, dtype).alias(name) for name, dtype in _ADDED.items()),
    )


@dataclass(frozen=True, slots=True)
class _ReportedRow(DisputeRow):
    """A row with what its moves and its clock depend on.

    `clock_from`: of a known one, as it was when it arrived. `reply_by`: the feed's date in this row.
    """

    network: str
    reason_code: str | None
    status: str | None
    dispute_date: date
    arrived_on: date | None
    clock_from: date
    reply_by: date | None
    is_ended: bool

    def happened_on(self, time: int) -> date:
        """The day of its activity, else that of its arrival; `time`: when its step happened.

        Of a known row without a date it is the latest day that is known.
        """
        if self.activity is not None:
            return _day_of(self.activity)
        return self.arrived_on or max(self.clock_from, _day_of(time))


def _day_of(time: int) -> date:
    return (_EPOCH + timedelta(microseconds=time)).date()


def _dispute_outcomes(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """The outcomes of one dispute's new rows, file by file."""
    history = [_row_of(row) for row in rows if not row[1]]
    files = groupby((row for row in rows if row[1]), key=itemgetter(2))
    for _, file_rows in files:
        own = list(file_rows)
        reported = [_row_of(row) for row in own]
        is_new = new_steps(history, reported, is_file_again=own[0][4])
        steps = [row for row, new in zip(reported, is_new, strict=True) if new]
        added = _added(history, steps)
        outcomes = iter(added)
        for row, new in zip(own, is_new, strict=True):
            yield (row[3], "accepted", *next(outcomes)) if new else (row[3], "duplicate", *_NOTHING)
        history += [
            replace(step, clock_from=runs_from, arrived_on=None)
            for step, (_, _, runs_from, _, _) in zip(steps, added, strict=True)
        ]


def _added(
    history: Sequence[_ReportedRow], steps: Sequence[_ReportedRow]
) -> list[tuple[int, str | None, date, date | None, datetime]]:
    """What `_ADDED` says of each new step: its clock is that after the steps before it."""
    clocks = _clocks([*history, *steps])
    found: dict[int, tuple[int, str | None, date, date | None, datetime]] = {}
    for step in numbered_steps(history, steps):
        row, before = step.row, step.before
        clock = clocks[id(row)]
        flag = str(RowFlag.UNEXPECTED_STAGE) if before and _is_unexpected(before, row) else None
        happened_at = _EPOCH + timedelta(microseconds=step.time)
        found[step.arrival] = (step.number, flag, clock.runs_from, clock.feed_reply_by, happened_at)
    return [found[arrival] for arrival in range(len(steps))]


def _clocks(rows: Sequence[_ReportedRow]) -> dict[int, RunningClock]:
    """The clock of each row by its identity: a known one may have got another by a later report."""
    clocks: dict[int, RunningClock] = {}
    before: ClockedStep | None = None
    for row, time in sorted(zip(rows, activity_times(rows), strict=True), key=itemgetter(1)):
        clock = clocks[id(row)] = next_clock(
            before,
            stage=row.stage,
            dispute_date=row.dispute_date,
            happened_on=row.happened_on(time),
            reply_by=row.reply_by,
        )
        before = ClockedStep(row.stage, row.is_ended, clock)
    return clocks


def _is_unexpected(before: _ReportedRow, after: _ReportedRow) -> bool:
    return before.stage != after.stage and not _is_legal_move(before, after)


def _row_of(row: tuple[Any, ...]) -> _ReportedRow:
    *_, state, other_state = row[: len(_READ)]
    *facts, stage, activity, since = row[len(_READ) :]
    return _ReportedRow((state, other_state), stage, activity, since, *facts)


def _is_legal_move(before: _ReportedRow, after: _ReportedRow) -> bool:
    """A status that ends a dispute is its stage from then on; a mixed row may be of any network."""
    starts = {before.stage, before.status} & set(Stage)
    ends = {after.stage, after.status} & set(Stage)
    networks = (after.network,) if after.network in NETWORKS else NETWORKS
    return any(
        _is_legal(network, start, end, after.reason_code, after.dispute_date)
        for network in networks
        for start in starts
        for end in ends
    )


@lru_cache(maxsize=65_536)
def _is_legal(network: str, start: str, end: str, reason_code: str | None, on: date) -> bool:
    reason = find_reason(network, reason_code)
    return is_legal(
        network,
        Stage(start),
        Stage(end),
        workflow=workflow_of(network, reason.category) if reason else None,
        reason_code=reason.code if reason else reason_code,
        on=on,
    )


DISPUTE_STEPS: Final = RowSequence(
    columns=(
        *("stage", "status", "activity_date", "resolution_date", "dispute_date"),
        *("network", "reason_code", "reply_by_date", "clock_from"),
        _NUMBER,
    ),
    dated_by="activity_date",
    numbered_by=_NUMBER,
    added=_ADDED,
    judge=judge_steps,
    flags=(RowFlag.UNEXPECTED_STAGE,),
)
