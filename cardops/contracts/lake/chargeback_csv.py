"""The bytes of a chargeback file, written from whole columns.

Belongs here: which rows are in a file, their order, and what is counted beside them. The text of cells is in
chargeback_cells; slots, columns and names are in cardops.rules.chargebacks.files.
"""

import hashlib
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
    counts = line_counts(members, version, neutralise=neutralise)
    disputes = members.select(pl.struct("network", "case_number").n_unique()).item()
    return counted_body(target, counts, disputes)


def line_counts(lines: pl.DataFrame, version: int, *, neutralise: bool) -> pl.DataFrame:
    """What is counted beside lines with marks, by network and currency."""
    nothing = pl.lit(0)
    has_flags = version > 1 and lines["flags"].list.len().sum() > 0
    counted = {
        "rows": pl.len(),
        "versions": pl.col("versions").sum() if "versions" in lines.columns else pl.len(),
        "neutralised": formula_count() if neutralise else nothing,
        "filled": (pl.col("filled_columns") != "").sum() if version > 1 else nothing,
    }
    for flag in map(str, CHECKED_FLAGS):
        counted[flag] = pl.col("flags").list.contains(flag).sum() if has_flags else nothing
    return lines.group_by("network", "dispute_currency").agg(
        *(count.cast(pl.Int64).alias(name) for name, count in counted.items()),
        minor=pl.col("dispute_amount_minor").cast(pl.Int128).sum(),
    )


def counted_body(path: Path, counts: pl.DataFrame, disputes: int) -> WrittenBody:
    """The file whose lines have these counts."""
    by_currency = counts.group_by("dispute_currency").agg(pl.col("minor").sum())
    whole = counts.select(pl.exclude("network", "dispute_currency", "minor").sum()).row(
        0, named=True
    )
    return WrittenBody(
        path=path,
        row_count=whole["rows"],
        totals_minor=dict(by_currency.iter_rows()),
        neutralised_count=whole["neutralised"],
        sha256=_sha256(path),
        stages=StageCounts(disputes, whole["versions"]),
        filled_count=whole["filled"],
        flags={flag: whole[flag] for flag in map(str, CHECKED_FLAGS) if whole[flag]},
    )


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
