"""Writes the chargeback file of a large slot: its rows are formatted as they are read, then put in order.

Belongs here: what is in memory when. A line's text takes less of it than its row does, and is moved with less
work. The bytes are those of chargeback_csv.write_body.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import polars as pl
from polars import selectors

from cardops.contracts.lake.chargeback_cells import cells_of, exponents_of, formula_marks
from cardops.contracts.lake.chargeback_csv import (
    LINE_END,
    ORDER,
    SHOWN,
    LineCounts,
    WrittenBody,
    ended_by_row,
    lines_with_outcome,
    rows_of_slot,
    stage_counts,
    write_body,
)
from cardops.rules.chargebacks.files import (
    FORMAT_VERSION,
    TEXT_COLUMNS,
    LineRule,
    SplitMode,
    StageCounts,
)
from cardops.rules.chargebacks.layouts import DestinationLayout, standard_layout

# Rows that are read at once, and lines that are formatted or written at once.
WINDOW_ROWS: Final = 100_000
CHUNK_LINES: Final = 25_000
_CASE_HASH: Final = pl.col("case_number").hash()


def write_slot(  # noqa: PLR0913 - what rows_of_slot and write_body take
    batch: pl.LazyFrame,
    slot: str,
    mode: SplitMode,
    rule: LineRule,
    target: Path,
    *,
    neutralise: bool = True,
    version: int = FORMAT_VERSION,
    layout: DestinationLayout | None = None,
) -> WrittenBody:
    """Write the slot's CSV: the bytes and counts of write_body of rows_of_slot, with less memory."""
    shown = layout or standard_layout(version)
    if version == 1 or mode is SplitMode.SIZE_BALANCED or not shown.quotes_all:
        rows = rows_of_slot(batch, slot, mode, rule, version=version)
        return write_body(rows, target, neutralise=neutralise, version=version, layout=layout)
    lines = _Lines(shown, version, neutralise)
    wanted = batch.filter(pl.col("network") == slot)
    lines.add_all(wanted.select(selectors.by_name(*SHOWN, require_all=False)), rule)
    with target.open("wb") as file:
        lines.write(file)
    return lines.counts.body(target, lines.stages)


@dataclass(slots=True)
class _Lines:
    """The text of each line beside its case, and what is counted beside them."""

    layout: DestinationLayout
    version: int
    neutralise: bool
    counts: LineCounts = field(default_factory=LineCounts)
    stages: StageCounts = field(default_factory=lambda: StageCounts(0, 0))
    texts: list[pl.DataFrame] = field(default_factory=list)

    def add_all(self, rows: pl.LazyFrame, rule: LineRule) -> None:
        """The lines of all rows. Of a dispute with several, which must be compared, all at once."""
        windows = _windows(rows)
        repeated = _repeated(rows, windows)
        if len(repeated):  # guard: steps-of-a-slot-compared
            is_repeated = _CASE_HASH.is_in(repeated.implode())
            several = lines_with_outcome(rows.filter(is_repeated), rule).sort(ORDER).collect()
            self._add(several, stage_counts(several))
            rows = rows.filter(~is_repeated)
        alone = rows.with_columns(outcome=ended_by_row(), versions=pl.lit(1, pl.Int64))
        for window in windows:
            # Not named: the rows of one window are gone before the next is read.
            self._add(alone.filter(window).collect())

    def write(self, file: BinaryIO) -> None:
        """The header and the lines, by case; those of one case are in their order already."""
        if self.layout.has_header:
            header = pl.DataFrame(schema=[column.header for column in self.layout.columns])
            header.write_csv(
                file,
                quote_style="always",
                separator=self.layout.delimiter,
                line_terminator=LINE_END,
            )
        if not self.texts:
            return
        together = pl.concat(self.texts, rechunk=True).with_row_index("place")
        self.texts.clear()
        # By two columns, since Polars sorts one of text in twice the time.
        order = together.select(pl.arg_sort_by("case_number", "place")).to_series()
        for lines in together.select(pl.col("line").gather(order)).iter_slices(CHUNK_LINES):
            lines.write_csv(
                file, quote_style="never", include_header=False, line_terminator=f'"{LINE_END}'
            )

    def _add(self, lines: pl.DataFrame, stages: StageCounts | None = None) -> None:
        stages = stages or StageCounts(lines.height, lines.height)
        self.stages = StageCounts(
            self.stages.disputes + stages.disputes, self.stages.versions + stages.versions
        )
        for part in lines.iter_slices(CHUNK_LINES):
            marked = part.with_columns(formula_marks())
            found = self.counts.add(marked, self.version, neutralise=self.neutralise)
            # Most parts have no formula, and nothing to compare each text with.
            cells = cells_of(
                self.layout,
                self.version,
                neutralise=bool(found),
                exponents=exponents_of(part),
            )
            lines_of_csv = _quoted(marked.select(cells), self.layout)
            self.texts.append(part.select("case_number").hstack(lines_of_csv))


def _quoted(cells: pl.DataFrame, layout: DestinationLayout) -> pl.DataFrame:
    """`line`: each row as a line of CSV without its end, all fields quoted."""
    # Only texts and constants may have a quote: intake checks what else a row says against its pattern.
    texts = pl.col(
        column.header
        for column in layout.columns
        if column.column is None or column.column in TEXT_COLUMNS
    )
    doubled = texts.str.replace_all('"', '""', literal=True)
    if cells.select(pl.any_horizontal(texts.str.contains('"', literal=True).any())).item():
        cells = cells.with_columns(doubled)
    first, *others = cells.columns
    opened = pl.concat_str(pl.lit('"'), first)
    between = f'"{layout.delimiter}"'
    return cells.select(line=pl.concat_str([opened, *others], separator=between))


def _repeated(rows: pl.LazyFrame, windows: Sequence[pl.Expr]) -> pl.Series:
    """Hashes of the cases that several rows have."""
    if not windows:
        return pl.Series(dtype=pl.UInt64)
    parts = [rows.filter(window).select(hash=_CASE_HASH).collect() for window in windows]
    ordered = pl.concat(parts).to_series().sort()
    return ordered.filter((ordered == ordered.shift(1)).fill_null(value=False)).unique()


def _windows(rows: pl.LazyFrame) -> list[pl.Expr]:
    """Conditions for rows that are read together: those of some files, or a part of a large one.

    The lake's rows are in the order of their numbers, so it finds a part without reading the rest.
    """
    last_rows = rows.group_by("intake_id").agg(pl.col("row_number").max()).sort("intake_id")
    ends = last_rows.collect(engine="streaming")
    windows, files, together = list[pl.Expr](), list[int](), 0
    for intake_id, end in ends.iter_rows():
        if files and together + end > WINDOW_ROWS:
            windows.append(pl.col("intake_id").is_between(files[0], files[-1]))
            files, together = [], 0
        if end <= WINDOW_ROWS:
            files.append(intake_id)
            together += end
            continue
        windows += [
            (pl.col("intake_id") == intake_id)
            & pl.col("row_number").is_between(first, first + WINDOW_ROWS - 1)
            for first in range(0, end + 1, WINDOW_ROWS)
        ]
    if files:
        windows.append(pl.col("intake_id").is_between(files[0], files[-1]))
    return windows
