"""CSV to chunks: lines without a quote as whole columns, lines with one record by record.

Belongs here: where records begin and end, their fields, and finding the header.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import polars as pl

from cardops.contracts.reading.lines import Block, blocks
from cardops.contracts.reading.records import record_at
from cardops.contracts.reading.source import FileRefusedError
from cardops.rules.intake.files import RowReason

_BAD = str(RowReason.BAD_ENCODING)
_MALFORMED = str(RowReason.MALFORMED_ROW)
# How a report of several sections begins, and its records that are not rows.
_SECTION_STARTS = ("BEGIN,", 'BEGIN"', "RPDE0017S", "Record Type")
_SECTION_RECORDS = r'^"?(BEGIN|END|RPDE0017S)\b'


@dataclass(frozen=True, slots=True)
class Table:
    """A header's names, its line, and a pattern of lines that are not records."""

    names: tuple[str, ...]
    header_line: str
    skipped: str | None = None


class CsvRows:
    """The records under one header, in chunks with columns `0`, `1`, … as text."""

    def __init__(self, name: str, stream: BinaryIO, sections: Sequence[str] = ()) -> None:
        """`sections`: what the first name of a section's own header may be, see `_header`."""
        self._name = name
        self._blocks = blocks(stream)
        self._sections = sections
        self.table, self._first = self._header()
        self._row_number = 0
        self._rest = ""
        self._rest_bad: frozenset[int] = frozenset()

    def chunks(self) -> Iterator[pl.DataFrame]:
        """Frames of `row_number`, `raw`, `framing` and the fields by index."""
        yield self._chunk(self._first)
        for block in self._blocks:
            yield self._chunk(block)
        if self._rest:
            rest, self._rest = Block(self._rest, self._rest_bad), ""
            yield self._chunk(rest, is_last=True)

    def _header(self) -> tuple[Table, Block]:
        for block in self._blocks:
            lines = block.text.split("\n")
            start = _first_record(lines)
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
        if lines[start].lstrip('"').startswith(_SECTION_STARTS):
            start = self._section(lines, start)
        has_sections = self._is_section(lines[start])
        record = record_at(lines, start)
        if record.fields is None or not any(map(str.strip, record.fields)):
            raise FileRefusedError(
                f"The first line of {self._name} is not a usable header, so nothing was ingested: "
                "put the column names there and send it again."
            )
        end = start + record.line_count
        header_line = "\n".join(lines[start:end])
        bad = frozenset(index - end for index in block.bad_lines if index >= end)
        skipped = _SECTION_RECORDS if has_sections else None
        return Table(tuple(record.fields), header_line, skipped), Block("\n".join(lines[end:]), bad)

    def _section(self, lines: Sequence[str], start: int) -> int:
        """A report of several sections: the header line of the one with the disputes in it."""
        for index in range(start, len(lines)):
            if self._is_section(lines[index]):
                return index
        raise FileRefusedError(
            f"{self._name} begins like a report of several sections but has none with disputes, "
            "so nothing was ingested: ask its sender for the detail report."
        )

    def _is_section(self, line: str) -> bool:
        return any(name in line for name in self._sections)

    def _chunk(self, block: Block, *, is_last: bool = False) -> pl.DataFrame:
        if block.is_too_long:
            frame = self._malformed([block.text])
        else:
            frame = self._split(block, is_last=is_last)
        numbers = pl.int_range(pl.len(), dtype=pl.Int64) + (self._row_number + 1)
        self._row_number += frame.height
        return frame.select(numbers.alias("row_number"), pl.exclude("row_number"))

    def _split(self, block: Block, *, is_last: bool) -> pl.DataFrame:
        lines, bad = self._lines(block)
        if not bad and '"' not in block.text and not self._rest:
            return self._fast(lines.filter(_is_record(self.table.skipped)))
        return self._mixed(lines, bad, is_last=is_last)

    def _lines(self, block: Block) -> tuple[pl.DataFrame, frozenset[int]]:
        """The block's lines, preceded by those of a record that was still open."""
        text, bad = block.text, block.bad_lines
        if self._rest:
            shift = self._rest.count("\n") + 1
            text = f"{self._rest}\n{text}"
            bad = self._rest_bad | {index + shift for index in bad}
        lines = pl.Series("raw", [text]).str.split("\n").explode()
        return lines.to_frame(), bad

    def _mixed(self, lines: pl.DataFrame, bad: frozenset[int], *, is_last: bool) -> pl.DataFrame:
        texts = lines["raw"].to_list()
        quoted = lines["raw"].str.contains('"', literal=True).arg_true().to_list()
        exact, consumed, end = self._exact(texts, quoted, is_last=is_last)
        self._rest = "\n".join(texts[end:]) if end < len(texts) else ""
        self._rest_bad = frozenset(index - end for index in bad if index >= end)
        numbered = lines.with_row_index("index").filter(_is_record(self.table.skipped))
        plain = numbered.filter(~pl.col("index").is_in(consumed), pl.col("index") < end)
        fast = self._fast(plain.select("raw")).with_columns(plain["index"])
        frame = pl.concat([fast, exact], how="diagonal").sort("index")
        is_bad = pl.col("index").is_in(list(bad))
        framing = pl.when(is_bad).then(pl.lit(_BAD)).otherwise(pl.col("framing"))
        return frame.with_columns(framing=framing).drop("index")

    def _exact(
        self, texts: list[str], quoted: Sequence[int], *, is_last: bool
    ) -> tuple[pl.DataFrame, list[int], int]:
        """Records with quotes, the indexes of their lines, and where an unfinished one begins."""
        width = len(self.table.names)
        indexes, raws, framings = list[int](), list[str](), list[str | None]()
        fields, consumed = list[list[str]](), list[int]()
        after = 0
        skipped = _skipped(texts, quoted, self.table.skipped)
        for index in quoted:
            if index < after or index in skipped:
                continue
            record = record_at(texts, index, width)
            if record.is_open and not is_last:
                return self._exact_frame(indexes, raws, framings, fields), consumed, index
            after = index + record.line_count
            consumed.extend(range(index, after))
            is_whole = record.fields is not None and len(record.fields) == width
            indexes.append(index)
            raws.append("\n".join(texts[index:after]))
            framings.append(None if is_whole else _MALFORMED)
            fields.append((record.fields or []) if is_whole else [""] * width)
        return self._exact_frame(indexes, raws, framings, fields), consumed, len(texts)

    def _exact_frame(
        self,
        indexes: list[int],
        raws: list[str],
        framings: list[str | None],
        fields: list[list[str]],
    ) -> pl.DataFrame:
        columns = [list(column) for column in zip(*fields, strict=True)] if fields else []
        width = len(self.table.names)
        return pl.DataFrame(
            {
                "index": pl.Series(indexes, dtype=pl.UInt32),
                "raw": pl.Series(raws, dtype=pl.String),
                "framing": pl.Series(framings, dtype=pl.String),
                **{
                    str(index): pl.Series(columns[index] if columns else [], dtype=pl.String)
                    for index in range(width)
                },
            }
        ).with_columns(framing=_with_nul())

    def _fast(self, lines: pl.DataFrame) -> pl.DataFrame:
        width = len(self.table.names)
        names = [str(index) for index in range(width)]
        parts = pl.col("raw").str.split_exact(",", width - 1).struct.rename_fields(names)
        is_whole = pl.col("raw").str.count_matches(",", literal=True) == width - 1
        framing = pl.when(~is_whole).then(pl.lit(_MALFORMED)).alias("framing")
        frame = lines.select("raw", framing, parts.alias("parts")).unnest("parts")
        return frame.with_columns(framing=_with_nul())

    def _malformed(self, raws: list[str]) -> pl.DataFrame:
        return self._exact_frame(
            list(range(len(raws))),
            raws,
            [_MALFORMED] * len(raws),
            [[""] * len(self.table.names)] * len(raws),
        ).drop("index")


def _first_record(lines: Sequence[str]) -> int | None:
    return next((index for index, line in enumerate(lines) if line.strip(" \t")), None)


def _is_record(skipped: str | None) -> pl.Expr:
    is_blank = pl.col("raw").str.strip_chars(" \t") == ""
    return ~is_blank & ~pl.col("raw").str.contains(skipped) if skipped else ~is_blank


def _skipped(texts: list[str], quoted: Sequence[int], skipped: str | None) -> frozenset[int]:
    if skipped is None:
        return frozenset()
    lines = pl.Series([texts[index] for index in quoted], dtype=pl.String)
    return frozenset(quoted[at] for at in lines.str.contains(skipped).arg_true())


def _with_nul() -> pl.Expr:
    has_nul = pl.col("raw").str.contains("\0", literal=True)
    return pl.when(has_nul).then(pl.lit(_BAD)).otherwise(pl.col("framing"))
