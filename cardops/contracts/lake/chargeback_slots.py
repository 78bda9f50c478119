"""Writes the chargeback files of a large batch: its rows are read once, and formatted as they are read.

Belongs here: what is in memory when. Lines go to disk as they come, in a file for each range of cases, and each range is
put in order alone; until then only their cases and sizes are held. The bytes are those of chargeback_csv.write_body.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from polars import selectors

from cardops.contracts.lake.chargeback_cells import FORMULA, cells_of, exponents_of, formula_marks
from cardops.contracts.lake.chargeback_csv import (
    LINE_END,
    ORDER,
    SHOWN,
    WrittenBody,
    counted_body,
    ended_by_row,
    line_counts,
    lines_with_outcome,
    rows_of_slot,
    write_body,
)
from cardops.rules.chargebacks.files import (
    FORMAT_VERSION,
    TEXT_COLUMNS,
    LineRule,
    SplitMode,
)
from cardops.rules.chargebacks.layouts import DestinationLayout, standard_layout
from cardops.rules.chargebacks.routing import NETWORKS

# Rows that are read at once, lines that are formatted at once, and about as many as are put in order at once.
WINDOW_ROWS: Final = 100_000
CHUNK_LINES: Final = 50_000
RANGE_LINES: Final = 100_000
# One case of so many is looked at to find ranges of cases.
SAMPLED: Final = 256
_CASE_HASH: Final = pl.col("case_number").hash()
# In texts with a formula or a quote.
_ODD: Final = f'{FORMULA}|"'


@dataclass(frozen=True, slots=True)
class SlotLook:
    """How a slot's file is written. `layout`: the destination's own; None for the standard one."""

    neutralise: bool = True
    layout: DestinationLayout | None = None


def write_slots(
    batch: pl.LazyFrame,
    looks: Mapping[str, SlotLook],
    mode: SplitMode,
    rule: LineRule,
    folder: Path,
    *,
    version: int = FORMAT_VERSION,
) -> Iterator[tuple[str, WrittenBody]]:
    """Write each slot's CSV: the bytes and counts of write_body of rows_of_slot, with less memory.

    One after the other: a slot's file is there until the next is asked for.
    """
    parted = _parted(looks, mode, version, folder)
    rows = batch.select(selectors.by_name(*SHOWN, require_all=False))
    if len(parted) < len(NETWORKS):
        rows = rows.filter(pl.col("network").is_in(list(parted)))
    _add_all(rows, parted, rule)
    for slot, look in looks.items():
        target = folder / f"{slot}.csv"
        if slot in parted and parted[slot].counts:
            yield slot, parted[slot].write(slot, target)
        else:
            lines = rows_of_slot(batch, slot, mode, rule, version=version)
            body = write_body(
                lines, target, neutralise=look.neutralise, version=version, layout=look.layout
            )
            yield slot, body
        target.unlink()


def _parted(
    looks: Mapping[str, SlotLook], mode: SplitMode, version: int, folder: Path
) -> Mapping[str, "_Lines"]:
    """Slots whose lines can be made as rows are read, those that look the same together."""
    if version == 1 or mode is SplitMode.SIZE_BALANCED:
        return {}
    by_look: dict[SlotLook, _Lines] = {}
    parted = {}
    for slot, look in looks.items():
        layout = look.layout or standard_layout(version)
        if layout.quotes_all:
            lines = by_look.setdefault(look, _Lines(layout, version, look.neutralise, folder))
            lines.slots.append(slot)
            parted[slot] = lines
    return parted


def _add_all(rows: pl.LazyFrame, parted: Mapping[str, "_Lines"], rule: LineRule) -> None:
    """The lines of all rows. Of a dispute with several, which must be compared, all at once."""
    if not parted:
        return
    repeated, ranges = _looked_over(rows)
    looks = set(parted.values())
    for lines in looks:
        lines.ranges = ranges
    if len(repeated):  # guard: steps-of-a-slot-compared
        is_repeated = _CASE_HASH.is_in(repeated.implode())
        for slot, lines in parted.items():
            compared = lines_with_outcome(rows.filter(is_repeated, network=slot), rule)
            several = compared.sort(ORDER).collect()
            lines.add(several)
            lines.repeats[slot] = several.height - several["case_number"].n_unique()
        rows = rows.filter(~is_repeated)
    alone = rows.with_columns(outcome=ended_by_row(), versions=pl.lit(1, pl.Int64))
    for window in _windows(rows):
        # Not named here: the rows of one window are gone before the next is read.
        _add_rows(alone.filter(window).collect(), looks)


def _add_rows(rows: pl.DataFrame, looks: Collection["_Lines"]) -> None:
    for lines in looks:
        is_own = pl.col("network").is_in(lines.slots)
        lines.add(rows if len(looks) == 1 else rows.filter(is_own))


@dataclass(slots=True, eq=False)
class _Lines:
    """Lines of slots that look the same: in a file for each range of a slot's cases, until they are in order.

    `ranges`: where each but the first begins. `keys`: the case and size of each line of a file.
    """

    layout: DestinationLayout
    version: int
    neutralise: bool
    folder: Path
    slots: list[str] = field(default_factory=list)
    ranges: Sequence[str] = ()
    keys: dict[tuple[str, int], list[pl.DataFrame]] = field(default_factory=dict)
    repeats: dict[str, int] = field(default_factory=dict)
    counts: list[pl.DataFrame] = field(default_factory=list)

    def add(self, lines: pl.DataFrame) -> None:
        """Those of these lines that are of our slots."""
        case, size = pl.col("case_number"), pl.col("line").str.len_bytes()
        number = pl.sum_horizontal(pl.lit(0), *(case >= first for first in self.ranges))
        for part in lines.iter_slices(CHUNK_LINES):
            made = part.select("network", case, number=number).with_columns(line=self._texts(part))
            own = made.with_columns(size=size).filter(pl.col("network").is_in(self.slots))
            for key, found in own.partition_by("network", "number", as_dict=True).items():
                with self._spill(*key).open("ab") as file:
                    _write(file, found["line"].to_arrow(compat_level=pl.CompatLevel.oldest()))
                self.keys.setdefault(key, []).append(found.drop("network", "number", "line"))

    def write(self, slot: str, target: Path) -> WrittenBody:
        """The header and the lines, by case; those of one case are in their order already."""
        with target.open("wb") as file:
            if self.layout.has_header:
                header = pl.DataFrame(schema=[column.header for column in self.layout.columns])
                header.write_csv(
                    file,
                    quote_style="always",
                    separator=self.layout.delimiter,
                    line_terminator=LINE_END,
                )
            for number in range(len(self.ranges) + 1):
                keys = self.keys.pop((slot, number), None)
                if keys:
                    _write(file, _ordered(pl.concat(keys), self._spill(slot, number)))
        counts = pl.concat(self.counts).filter(network=slot)
        return counted_body(target, counts, int(counts["rows"].sum()) - self.repeats.get(slot, 0))

    def _texts(self, part: pl.DataFrame) -> pl.Series:
        # Most parts have neither formulas nor quotes, and nothing to look for in each text.
        odd = pl.any_horizontal(pl.col(TEXT_COLUMNS).str.contains(_ODD).any())
        is_odd = bool(part.select(odd).item())
        neutralise = self.neutralise and is_odd
        marked = part.with_columns(formula_marks()) if neutralise else part
        self.counts.append(line_counts(marked, self.version, neutralise=neutralise))
        cells = cells_of(
            self.layout, self.version, neutralise=neutralise, exponents=exponents_of(part)
        )
        return _quoted(marked.select(cells), self.layout, has_quotes=is_odd)

    def _spill(self, slot: str, number: int) -> Path:
        return self.folder / f"{slot}-{number}.lines"


def _ordered(keys: pl.DataFrame, spill: Path) -> pa.Array:
    """The lines of a file, which is removed, by case."""
    ends = keys["size"].cast(pl.Int64).cum_sum()
    offsets = pl.concat([pl.Series([0]), ends]).to_arrow().buffers()[1]
    lines = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), keys.height, [None, offsets, pa.py_buffer(spill.read_bytes())]
    )
    spill.unlink()
    # By two columns, since Polars sorts one of text in twice the time.
    order = keys.with_row_index("place").select(pl.arg_sort_by("case_number", "place"))
    return lines.take(order.to_series().to_arrow())


def _write(file: BinaryIO, lines: pa.Array) -> None:
    """The lines as they are, nothing between them: an array of texts has them one after the other."""
    data = lines.buffers()[2]
    if data is not None:
        file.write(memoryview(data)[: pc.sum(pc.binary_length(lines)).as_py()])


def _quoted(cells: pl.DataFrame, layout: DestinationLayout, *, has_quotes: bool) -> pl.Series:
    """Each row as a line of CSV with its end, all fields quoted."""
    # Only texts and constants may have a quote: intake checks what else a row says against its pattern.
    texts = [
        column.header
        for column in layout.columns
        if (column.column in TEXT_COLUMNS and has_quotes) or '"' in column.constant
    ]
    if texts:
        cells = cells.with_columns(pl.col(texts).str.replace_all('"', '""', literal=True))
    first, *others, last = cells.columns
    opened, closed = pl.concat_str(pl.lit('"'), first), pl.concat_str(last, pl.lit(f'"{LINE_END}'))
    between = f'"{layout.delimiter}"'
    return cells.select(pl.concat_str([opened, *others, closed], separator=between)).to_series()


def _looked_over(rows: pl.LazyFrame) -> tuple[pl.Series, Sequence[str]]:
    """Hashes of the cases that several rows have; where each range of cases but the first begins."""
    sampled = pl.when(_CASE_HASH % SAMPLED == 0).then("case_number")
    found = rows.select(hash=_CASE_HASH, case=sampled).collect(engine="streaming")
    ordered = found["hash"].sort()
    repeated = ordered.filter((ordered == ordered.shift(1)).fill_null(value=False)).unique()
    cases = found["case"].drop_nulls().unique().sort()
    step = len(cases) // (1 + found.height // (RANGE_LINES * len(NETWORKS)))
    return repeated, cases[step::step].to_list() if step else []


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
