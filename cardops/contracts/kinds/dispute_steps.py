"""Rows of disputes that have several, judged as sequences: whole columns to the rule and back.

Belongs here: which rows the rule is asked about, and the translation. The rule itself is
cardops.rules.chargebacks.steps.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import polars as pl

from cardops.contracts.kinds.profile import ADDED_FLAG, RowSequence
from cardops.rules.chargebacks.disputes import ENDED, Stage, is_legal, workflow_of
from cardops.rules.chargebacks.reason_codes import find_reason
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.chargebacks.steps import (
    DisputeRow,
    action_sequences,
    new_steps,
    unexpected_steps,
)
from cardops.rules.intake.files import RowFlag

# Statuses that end a dispute, whatever its stage; the day of its end is then the step's.
ENDED_STATUSES: Final = (*(str(stage) for stage in sorted(ENDED)), "prevented", "resolved")
_NUMBER: Final = "action_sequence"
_OUTCOMES: Final = pl.Schema(
    {
        "row_number": pl.Int64(),
        "outcome": pl.String(),
        _NUMBER: pl.Int64(),
        ADDED_FLAG: pl.String(),
    }
)
_READ: Final = ("id", "is_new", "file", "row_number", "is_file_again", "state 0", "state 1")


def judge_steps(rows: pl.DataFrame) -> pl.DataFrame:
    """See `RowSequence.judge`: each file's rows of a dispute follow all that is known by then."""
    plain = _single_repeats(rows)
    others = rows if plain.is_empty() else rows.join(plain, on="id", how="anti")
    if others.is_empty():
        return _duplicates(plain)
    ended = pl.col("status").is_in(ENDED_STATUSES) | pl.col("stage").is_in(ENDED_STATUSES)
    since = pl.coalesce(pl.when(ended).then("resolution_date"), "dispute_date")
    read = others.select(
        *_READ,
        "network",
        "reason_code",
        "status",
        "dispute_date",
        "stage",
        pl.col("activity_date").dt.epoch("us"),
        since.cast(pl.Datetime("us")).dt.epoch("us").fill_null(0).alias("since"),
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
        pl.lit(None, pl.Int64).alias(_NUMBER),
        pl.lit(None, pl.String).alias(ADDED_FLAG),
    )


@dataclass(frozen=True, slots=True)
class _ReportedRow(DisputeRow):
    """A row with what its moves depend on."""

    network: str
    reason_code: str | None
    status: str | None
    dispute_date: date


def _dispute_outcomes(
    rows: Sequence[tuple[Any, ...]],
) -> Iterator[tuple[int, str, int | None, str | None]]:
    """The outcomes of one dispute's new rows, file by file."""
    history = [_row_of(row) for row in rows if not row[1]]
    files = groupby((row for row in rows if row[1]), key=itemgetter(2))
    for _, file_rows in files:
        own = list(file_rows)
        reported = [_row_of(row) for row in own]
        is_new = new_steps(history, reported, is_file_again=own[0][4])
        steps = [row for row, new in zip(reported, is_new, strict=True) if new]
        flags = [
            str(RowFlag.UNEXPECTED_STAGE) if is_unexpected else None
            for is_unexpected in unexpected_steps(history, steps, _is_legal_move)
        ]
        added = iter(zip(action_sequences(history, steps), flags, strict=True))
        for row, new in zip(own, is_new, strict=True):
            yield (row[3], "accepted", *next(added)) if new else (row[3], "duplicate", None, None)
        history += steps


def _row_of(row: tuple[Any, ...]) -> _ReportedRow:
    *_, state, other_state, network, reason_code, status, dispute_date, stage, activity, since = row
    return _ReportedRow(
        (state, other_state), stage, activity, since, network, reason_code, status, dispute_date
    )


def _is_legal_move(before: DisputeRow, after: DisputeRow) -> bool:
    """A status that ends a dispute is its stage from then on; a mixed row may be of any network."""
    if not isinstance(before, _ReportedRow) or not isinstance(after, _ReportedRow):
        raise TypeError("a row without what its moves depend on")
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
        *("network", "reason_code"),
    ),
    dated_by="activity_date",
    numbered_by=_NUMBER,
    judge=judge_steps,
    flags=(RowFlag.UNEXPECTED_STAGE,),
)
