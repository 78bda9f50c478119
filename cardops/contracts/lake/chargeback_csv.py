"""The bytes of a chargeback file, written from whole columns.

Belongs here: which rows are in a file, their order, and what is counted beside them. The text of cells is in
chargeback_cells; slots, columns and names are in cardops.rules.chargebacks.files.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl
from polars import selectors

from cardops.contracts.kinds.dispute_clocks import ENDED_STATUSES
from cardops.contracts.lake.chargeback_cells import (
    AMOUNTS,
    EVIDENCE_ACTION,
    cells_of,
    formula_count,
    formula_marks,
    plain_cells,
)
from cardops.rules.chargebacks.evidence_packages import EvidencePackage
from cardops.rules.chargebacks.files import (
    COLUMNS,
    FORMAT_VERSION,
    LineRule,
    SplitMode,
    StageCounts,
    columns_of,
    slot_ranges,
)
from cardops.rules.chargebacks.filing import CHECKED_FLAGS
from cardops.rules.chargebacks.layouts import DestinationLayout, standard_layout

# Lake columns behind the columns of layout 2, and what orders and counts its lines.
SHOWN: Final = (
    *(name for name in columns_of(FORMAT_VERSION) if name not in {"action", *AMOUNTS}),
    *(minor for minor, _ in AMOUNTS.values()),
    *("reply_by_on", "happened_at", "intake_id", "row_number", "flags", EVIDENCE_ACTION),
)
# A dispute has one line a stage; the rest orders steps, and disputes of another network.
ORDER: Final = (
    *("case_number", "stage", "action_sequence"),
    *("network", "intake_id", "row_number"),
)
LINE_END: Final = "\r\n"


@dataclass(frozen=True, slots=True)
class WrittenBody:
    """A chargeback file on this machine's disk, and what was counted beside it."""

    path: Path
    row_count: int
    totals_minor: dict[str, int]
    neutralised_count: int
    sha256: str
    stages: StageCounts
    filled_count: int = 0
    flags: Mapping[str, int] = field(default_factory=dict)


def lines_of(batch: pl.LazyFrame, rule: LineRule) -> pl.LazyFrame:
    """The rows of the lake that are lines of the batch's files, with the `versions` of each.

    Of stages the step that happened last is the line: the others' money is in it already.
    """
    if rule is LineRule.STEPS:
        return batch.with_columns(versions=pl.lit(1, pl.Int64))
    stage = ["network", "case_number", "stage"]
    several = batch.select(pl.struct(stage).is_duplicated())
    if not several.select(pl.all().any()).collect().item():
        return batch.with_columns(versions=pl.lit(1, pl.Int64))
    order = ["happened_at", "intake_id", "row_number"]
    place = pl.struct(order).rank("ordinal").over(stage).cast(pl.Int64)
    # guard-begin: money-of-the-latest
    return batch.with_columns(versions=pl.len().over(stage).cast(pl.Int64)).filter(
        place == pl.col("versions")
    )
    # guard-end: money-of-the-latest


def rows_of_slot(
    batch: pl.LazyFrame,
    slot: str,
    mode: SplitMode,
    rule: LineRule = LineRule.STEPS,
    *,
    version: int = 1,
) -> pl.LazyFrame:
    """The batch's rows that are lines of this slot's file, sorted as they are in it.

    `batch` has the columns of the lake's chargebacks; for layout 2 also what they were filled from.
    """
    wanted = batch.filter(pl.col("network") == slot) if mode is SplitMode.BY_NETWORK else batch
    lines = lines_of(wanted, rule) if version == 1 else lines_with_outcome(wanted, rule)
    if mode is SplitMode.BY_NETWORK:
        return _sorted(lines, version)
    row_count = lines.select(pl.len()).collect().item()
    offset, length = slot_ranges(row_count)[slot]
    return _sorted(lines, version).slice(offset, length)


def with_outcome(batch: pl.LazyFrame) -> pl.LazyFrame:
    """`outcome`: the stage that ends the row's dispute by the last of its steps; null while it is open.

    A dispute that ended in this batch is not sent as an open one, whichever of its steps is the line.
    """
    case = ["network", "case_number"]
    last = ended_by_row().sort_by("happened_at", "intake_id", "row_number").last()
    return batch.with_columns(outcome=last.over(case))


def with_evidence(rows: pl.LazyFrame, packages: Sequence[EvidencePackage]) -> pl.LazyFrame:
    """`evidence_action`: what a row's line asks for, where its dispute has evidence in the batch."""
    if not packages:
        return rows
    stage = ("network", "case_number", "stage")
    actions = pl.LazyFrame(
        [
            (key.network, key.case_number, package.opening.stage, str(package.action))
            for package in packages
            for key in [package.opening.dispute]
        ],
        schema=dict.fromkeys((*stage, EVIDENCE_ACTION), pl.String),
        orient="row",
    )
    return rows.join(actions, on=list(stage), how="left", maintain_order="left")


def superseded_by_lines(batch: pl.LazyFrame, rule: LineRule) -> tuple[int, dict[str, int]]:
    """How many rows are no lines, because a later step of their stage is, and their money."""
    if rule is LineRule.STEPS:
        return 0, {}
    lines = lines_of(batch, rule).select("intake_id", "row_number")
    others = batch.join(lines, on=["intake_id", "row_number"], how="anti")
    sums = others.group_by("dispute_currency").agg(
        pl.len().alias("rows"), pl.col("dispute_amount_minor").cast(pl.Int128).sum().alias("minor")
    )
    found = sums.collect()
    return int(found["rows"].sum()), dict(found.select("dispute_currency", "minor").iter_rows())


def ended_by_row() -> pl.Expr:
    """What ends the dispute by this row alone."""
    return (
        pl.when(pl.col("status").is_in(ENDED_STATUSES))
        .then("status")
        .when(pl.col("stage").is_in(ENDED_STATUSES))
        .then("stage")
    )


def lines_with_outcome(batch: pl.LazyFrame, rule: LineRule) -> pl.LazyFrame:
    """The lines with `outcome`, and no other columns than a file shows or is ordered by."""
    shown = batch.select(selectors.by_name(*SHOWN, require_all=False))
    cases = batch.select(pl.struct("network", "case_number").is_duplicated().any())
    if cases.collect().item():
        # A stage that ended is closed, though the dispute came to another one since.
        outcome = pl.coalesce("outcome", ended_by_row())
        return lines_of(with_outcome(shown).with_columns(outcome=outcome), rule)
    # Each dispute has one row, which most have: nothing to compare.
    return shown.with_columns(outcome=ended_by_row(), versions=pl.lit(1, pl.Int64))


def write_body(
    rows: pl.LazyFrame,
    target: Path,
    *,
    neutralise: bool = True,
    version: int = 1,
    layout: DestinationLayout | None = None,
) -> WrittenBody:
    """Write one slot's CSV; the same rows give the same bytes. `layout`: the destination's own."""
    members = rows.with_columns(formula_marks()).collect()
    shown = layout or standard_layout(version)
    texts = members.lazy().select(cells_of(shown, version, neutralise=neutralise))
    texts.sink_csv(
        target,
        quote_style="always" if shown.quotes_all else "necessary",
        line_terminator=LINE_END,
        separator=shown.delimiter,
        include_header=shown.has_header,
    )
    counts = LineCounts()
    counts.add(members, version, neutralise=neutralise)
    return counts.body(target, stage_counts(members))


@dataclass(slots=True)
class LineCounts:
    """What is counted beside the lines of a file, some lines at a time."""

    rows: int = 0
    neutralised: int = 0
    filled: int = 0
    totals_minor: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)

    def add(self, lines: pl.DataFrame, version: int, *, neutralise: bool) -> int:
        """Count these lines too; how many of their texts are neutralised."""
        formulas = formula_count(lines) if neutralise else 0
        self.rows += lines.height
        self.neutralised += formulas
        sums = lines.group_by("dispute_currency").agg(pl.col("dispute_amount_minor").sum())
        self.totals_minor.update(dict(sums.iter_rows()))
        if version > 1:
            self.filled += int((lines["filled_columns"] != "").sum())
            self.flags.update(_checked_flags(lines))
        return formulas

    def body(self, path: Path, stages: StageCounts) -> WrittenBody:
        """The file that has the lines."""
        return WrittenBody(
            path=path,
            row_count=self.rows,
            totals_minor=dict(self.totals_minor),
            neutralised_count=self.neutralised,
            sha256=_sha256(path),
            stages=stages,
            filled_count=self.filled,
            flags=dict(self.flags),
        )


def _checked_flags(members: pl.DataFrame) -> dict[str, int]:
    """Lines with a flag that is looked at before sending, by flag."""
    if not members["flags"].list.len().sum():
        return {}
    has = {
        str(flag): int(members["flags"].list.contains(str(flag)).sum()) for flag in CHECKED_FLAGS
    }
    return {flag: lines for flag, lines in has.items() if lines}


def stage_counts(members: pl.DataFrame) -> StageCounts:
    """Disputes of the lines, and the steps that they stand for."""
    versions = int(members["versions"].sum()) if "versions" in members.columns else members.height
    if members["network"].n_unique() <= 1:
        return StageCounts(members["case_number"].n_unique(), versions)
    disputes = members.select(pl.struct("network", "case_number").n_unique()).item()
    return StageCounts(disputes, versions)


def _sorted(batch: pl.LazyFrame, version: int) -> pl.LazyFrame:
    if version > 1:
        return batch.sort(ORDER)
    first = ("case_number", "stage", "action_sequence")
    plain = {cell.meta.output_name(): cell for cell in plain_cells(version)}
    rest = [plain[name] for name in COLUMNS if name not in first]
    return batch.sort([*map(pl.col, first), *rest])


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
