"""CSV to chunks: most lines as whole columns, lines with unusual quotes record by record.

Belongs here: where records begin and end, their fields, and finding the header.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from cardops.contracts.reading.cells import Fields, Lines, Marks
from cardops.contracts.reading.lines import Block, blocks
from cardops.contracts.reading.records import MAX_RECORD_LINES, Record, record_at
from cardops.contracts.reading.sections import (
    NO_ROWS,
    begins_sections,
    is_section,
    without_section,
)
from cardops.contracts.reading.source import FileRefusedError
from cardops.rules.intake.files import RowReason

_BAD = str(RowReason.BAD_ENCODING)
_MALFORMED = str(RowReason.MALFORMED_ROW)
# What `framing` may be, by the code that the fast path gives a line.
_FRAMINGS: Final = pl.Series([None, _MALFORMED, _BAD], dtype=pl.String)


@dataclass(frozen=True, slots=True)
class Table:
    """A header's names, its line, and a pattern of lines that are not records."""

    names: tuple[str, ...]
    header_line: str
    skipped: str | None = None


@dataclass(frozen=True, slots=True)
class Syntax:
    """How a sender's file is laid out. `skip_rows`: physical lines before the header."""

    delimiter: str = ","
    has_header: bool = True
    skip_rows: int = 0


STRICT: Final = Syntax()


class CsvRows:
    """The records under one header, in chunks with columns `0`, `1`, … as text."""

    def __init__(
        self, name: str, stream: BinaryIO, sections: Sequence[str] = (), syntax: Syntax = STRICT
    ) -> None:
        """`sections`: what the first name of a section's own header may be, see `_header`."""
        self._name = name
        self._syntax = syntax
        self._blocks = blocks(stream)
        self._sections = sections
        self.table, self._first = self._header()
        self._row_number = 0
        self._rest = b""
        self._rest_bad: frozenset[int] = frozenset()
        self._is_trimmed = False

    def chunks(self, *, is_trimmed: bool = False) -> Iterator[pl.DataFrame]:
        """Frames of `row_number`, `raw`, `framing` and the fields by index.

        `is_trimmed`: fields without spaces and tabs around them, and null where nothing is left.
        """
        self._is_trimmed = is_trimmed
        yield self._chunk(self._first)
        for block in self._blocks:
            yield self._chunk(block)
        if self._rest:
            rest, self._rest = Block(self._rest, self._rest_bad), b""
            yield self._chunk(rest, is_last=True)

    def _header(self) -> tuple[Table, Block]:
        skipped = self._syntax.skip_rows
        for block in self._blocks:
            lines = block.text.split("\n")
            start = _first_record(lines, skipped)
            skipped = max(0, skipped - len(lines))
            if start is None:
                continue
            if start in block.bad_lines or "\0" in lines[start] or block.is_too_long:
                raise FileRefusedError(
                    f"{self._name} does not begin with text in UTF-8, so nothing was ingested: "
                    "export it as CSV in UTF-8 and send it again."
                )
            return self._table(lines, start, block)
        raise FileRefusedError(f"{self._name} is empty, so nothing was ingested: send it again.")

    def _table(self, lines: list[str], start: int, block: Block) -> tuple[Table, Block]:
        if self._sections and begins_sections(lines[start]):
            start = self._section(lines, start)
        has_sections = is_section(lines[start], self._sections)
        record = record_at(lines, start, delimiter=self._syntax.delimiter)
        if record.fields is None or not any(map(str.strip, record.fields)):
            raise FileRefusedError(
                f"The first line of {self._name} is not a usable header, so nothing was ingested: "
                "put the column names there and send it again."
            )
        if not self._syntax.has_header:
            table = _table_of_positions(record.fields, self._syntax.delimiter)
            return table, _rest(block, start)
        end = start + record.line_count
        header_line = "\n".join(lines[start:end])
        skipped = NO_ROWS if has_sections else None
        return Table(tuple(record.fields), header_line, skipped), _rest(block, end)

    def _section(self, lines: Sequence[str], start: int) -> int:
        """A report of several sections: the header line of the one with the disputes in it."""
        for index in range(start, len(lines)):
            if is_section(lines[index], self._sections):
                return index
        raise FileRefusedError(without_section(self._name))

    def _chunk(self, block: Block, *, is_last: bool = False) -> pl.DataFrame:
        if block.is_too_long:
            frame = self._malformed([block.text])
        else:
            frame = self._split(block, is_last=is_last)
        numbers = pl.int_range(pl.len(), dtype=pl.Int64) + (self._row_number + 1)
        self._row_number += frame.height
        return frame.select(numbers.alias("row_number"), pl.exclude("row_number"))

    def _split(self, block: Block, *, is_last: bool) -> pl.DataFrame:
        content, bad = self._with_rest(block)
        lines = Lines(content)
        fields = Fields(lines, len(self.table.names), self._syntax.delimiter.encode())
        is_record = ~self._is_no_record(lines, fields)
        hard = np.flatnonzero(fields.is_hard & is_record)
        exact: _ExactRecords | None = None
        if hard.size:
            exact = _ExactRecords(lines, len(self.table.names), self._syntax.delimiter)
            end = exact.read(hard.tolist(), is_last=is_last)
            is_record[exact.consumed] = False
            is_record[end:] = False
            self._keep_rest(lines, end, bad)
        frame = self._fast(lines, fields, is_record, bad)
        if exact is None or not exact.indexes:
            return frame.drop("index")
        found = exact.frame(bad, is_trimmed=self._is_trimmed)
        return pl.concat([frame, found]).sort("index").drop("index")

    def _with_rest(self, block: Block) -> tuple[bytes, frozenset[int]]:
        """The block's lines, preceded by those of a record that was still open."""
        if not self._rest:
            return block.content, block.bad_lines
        shift = self._rest.count(b"\n") + 1
        bad = self._rest_bad | {index + shift for index in block.bad_lines}
        content, self._rest = self._rest + b"\n" + block.content, b""
        return content, bad

    def _keep_rest(self, lines: Lines, end: int, bad: frozenset[int]) -> None:
        """Lines of a record that the next block may finish."""
        if end < len(lines):
            self._rest = lines.content[lines.starts[end] :]
            self._rest_bad = frozenset(index - end for index in bad if index >= end)

    def _is_no_record(self, lines: Lines, fields: Fields) -> Marks:
        """Blank lines, and those that belong to no section."""
        found = np.zeros(len(lines), dtype=np.bool_)
        for index in np.flatnonzero(fields.may_be_blank):
            found[index] = not lines[index].strip(" \t")
        if self.table.skipped is not None:
            texts = lines.texts(lines.starts, lines.ends)
            found |= texts.str.contains(self.table.skipped).to_numpy()
        return found

    def _fast(
        self, lines: Lines, fields: Fields, is_record: Marks, bad: frozenset[int]
    ) -> pl.DataFrame:
        """The rows of these lines; those with too many or too few fields are malformed."""
        width = len(self.table.names)
        is_row = is_record & fields.is_whole & ~fields.is_hard
        rows = np.flatnonzero(is_record)
        framing = np.where(is_row, 0, 1)
        framing[lines.with_byte(b"\0")] = 2
        framing[list(bad)] = 2
        columns = fields.columns(rows, is_row[rows], is_trimmed=self._is_trimmed)
        return pl.DataFrame(
            {
                "index": pl.Series(rows, dtype=pl.Int64),
                "raw": lines.texts(lines.starts[rows], lines.ends[rows]),
                "framing": _framing(framing[rows]),
                **{str(at): columns[at] for at in range(width)},
            }
        )

    def _malformed(self, raws: list[str]) -> pl.DataFrame:
        absent = pl.lit(None if self._is_trimmed else "", pl.String)
        fields = (absent.alias(str(at)) for at in range(len(self.table.names)))
        raw = pl.Series("raw", raws, dtype=pl.String)
        return (
            raw.to_frame()
            .with_columns(pl.lit(_MALFORMED).alias("framing"), *fields)
            .with_columns(framing=_with_nul())
        )


class _ExactRecords:
    """Records that begin on lines with unusual quotes, read one by one."""

    def __init__(self, lines: Lines, width: int, delimiter: str) -> None:
        self._lines = lines
        self._width = width
        self._delimiter = delimiter
        self._quoted: list[int] = np.flatnonzero(lines.with_byte(b'"')).tolist()
        self.indexes: list[int] = []
        self.consumed: list[int] = []
        self._raws: list[str] = []
        self._framings: list[str | None] = []
        self._fields: list[list[str]] = []

    def read(self, hard: Sequence[int], *, is_last: bool) -> int:
        """Read the records of these lines; the line on which an unfinished one begins."""
        after = 0
        for index in hard:
            if index < after:
                continue
            record = self._record(index)
            if record.is_open and not is_last:
                return index
            after = index + record.line_count
            self.consumed.extend(range(index, after))
            is_whole = record.fields is not None and len(record.fields) == self._width
            self.indexes.append(index)
            self._raws.append(self._lines.text_of(index, after))
            self._framings.append(None if is_whole else _MALFORMED)
            self._fields.append((record.fields or []) if is_whole else [""] * self._width)
        return len(self._lines)

    def _record(self, index: int) -> Record:
        """Lines without a quote close nothing: they are not looked at one by one."""
        end = index + MAX_RECORD_LINES
        following = bisect_right(self._quoted, index)
        is_near = following < len(self._quoted) and self._quoted[following] < end
        if is_near or end > len(self._lines):
            return record_at(self._lines, index, self._width, self._delimiter)
        record = record_at([self._lines[index]], 0, self._width, self._delimiter)
        return Record(None) if record.is_open else record

    def frame(self, bad: frozenset[int], *, is_trimmed: bool) -> pl.DataFrame:
        """The rows, with the index of their first line."""
        columns = list(zip(*self._fields, strict=True))
        frame = pl.DataFrame(
            {
                "index": pl.Series(self.indexes, dtype=pl.Int64),
                "raw": pl.Series(self._raws, dtype=pl.String),
                "framing": pl.Series(self._framings, dtype=pl.String),
                **{str(at): pl.Series(columns[at], dtype=pl.String) for at in range(self._width)},
            }
        ).with_columns(framing=_with_nul())
        is_bad = pl.col("index").is_in(list(bad))
        framing = pl.when(is_bad).then(pl.lit(_BAD)).otherwise(pl.col("framing"))
        marked = frame.with_columns(framing=framing)
        names = [str(at) for at in range(self._width)]
        return trimmed(marked, names) if is_trimmed else marked


def trimmed(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """These columns without spaces and tabs around their texts, and null where nothing is left."""
    texts = frame.with_columns(pl.col(name).str.strip_chars(" \t") for name in names)
    return texts.with_columns(
        pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in names
    )


def _framing(codes: npt.NDArray[np.int64]) -> pl.Series:
    if not codes.any():
        return pl.repeat(None, len(codes), dtype=pl.String, eager=True)
    return _FRAMINGS.gather(pl.Series(codes, dtype=pl.UInt32))


def _first_record(lines: Sequence[str], skipped: int = 0) -> int | None:
    records = (index for index, line in enumerate(lines) if index >= skipped and line.strip(" \t"))
    return next(records, None)


def _rest(block: Block, start: int) -> Block:
    """The block from that line on."""
    bad = frozenset(index - start for index in block.bad_lines if index >= start)
    rest = block.content.split(b"\n", start)
    return Block(rest[start] if start < len(rest) else b"", bad)


def _table_of_positions(fields: Sequence[str], delimiter: str) -> Table:
    """Names of a file without a header: the positions of its columns, from 1.

    A file of its released rows has them as its header: the first of those may be a malformed one.
    """
    names = tuple(str(number) for number, _ in enumerate(fields, start=1))
    # In quotes, so that they do not look like a card number.
    return Table(names, delimiter.join(f'"{name}"' for name in names))


def _with_nul() -> pl.Expr:
    has_nul = pl.col("raw").str.contains("\0", literal=True)
    return pl.when(has_nul).then(pl.lit(_BAD)).otherwise(pl.col("framing"))
