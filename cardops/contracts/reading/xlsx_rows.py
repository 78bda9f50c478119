"""Excel workbooks to chunks of text: one sheet, its cells as somebody would write them down.

Belongs here: sheets, the header, and typed cells to text. A number is written with the fewest digits that
are the same double (25.1 where the file holds 25.100000000000001); what Excel lost before, such as noughts
before an id, is lost.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any, BinaryIO, Final

import polars as pl
import python_calamine as calamine

from cardops.contracts.reading.csv_rows import Syntax, Table, trimmed
from cardops.contracts.reading.sections import (
    NO_ROWS,
    begins_sections,
    is_section,
    without_section,
)
from cardops.contracts.reading.source import FileRefusedError, distinct_names
from cardops.contracts.reading.workbooks import safe_workbook
from cardops.rules.intake.files import RowReason
from cardops.rules.mappings.amounts import UNREADABLE

CHUNK_ROWS: Final = 50_000
# From here on neighbouring whole numbers are one double: which was meant is not known.
FIRST_UNSURE: Final = 2**53
_BAD: Final = str(RowReason.BAD_ENCODING)


class XlsxRows:
    """The rows of a workbook's only filled sheet, or of a named one, in chunks; columns are `0` and so on."""

    def __init__(
        self,
        name: str,
        stream: BinaryIO,
        syntax: Syntax,
        sheet_name: str | None = None,
        sections: Sequence[str] = (),
    ) -> None:
        """`sections`: columns by which the section with the rows is found. Raises FileRefusedError."""
        self._name = name
        self._sections = sections
        with safe_workbook(name, stream) as content, self._explained():
            sheet = self._sheet(calamine.CalamineWorkbook.from_filelike(content), sheet_name)
        self._cells = iter(sheet.iter_rows())
        self.table, self._first = self._header(sheet, syntax)

    def chunks(
        self,
        *,
        amounts: Sequence[int] = (),
        instants: Sequence[int] = (),
        decimal: str = ".",
    ) -> Iterator[pl.DataFrame]:
        """Frames of `row_number`, `raw`, `framing` and the cells by index.

        Numbers in the columns `amounts` are written with the sign `decimal`, and dates in the columns
        `instants` with their midnight: Excel does not tell a date from an instant at midnight.
        """
        keys = distinct_names(self.table.names)
        money, moments = frozenset(amounts), frozenset(instants)
        rows: list[tuple[Any, ...]] = []
        number = 0
        for cells in self._records():
            texts = [
                _text(cell, decimal if index in money else ".", has_time=index in moments)
                for index, cell in enumerate(cells)
            ]
            if not any(text and text.strip(" \t") for text in texts) or self._is_no_row(texts):
                continue
            number += 1
            filled = {key: text for key, text in zip(keys, texts, strict=True) if text}
            raw = json.dumps(filled, ensure_ascii=False)
            framing = _BAD if any("\0" in text for text in filled.values()) else None
            rows.append((number, raw, framing, *texts))
            if len(rows) == CHUNK_ROWS:
                yield self._frame(rows)
                rows = []
        yield self._frame(rows)

    def _records(self) -> Iterator[Sequence[Any]]:
        if self._first is not None:
            yield self._first
        yield from self._lines()

    def _is_no_row(self, texts: Sequence[str | None]) -> bool:
        skipped = self.table.skipped
        return skipped is not None and re.match(skipped, _line(texts)) is not None

    def _frame(self, rows: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
        names = [str(index) for index in range(len(self.table.names))]
        schema = {
            "row_number": pl.Int64(),
            **dict.fromkeys(["raw", "framing", *names], pl.String()),
        }
        return trimmed(pl.DataFrame(rows, schema=schema, orient="row"), names)

    def _sheet(self, book: calamine.CalamineWorkbook, wanted: str | None) -> calamine.CalamineSheet:
        if wanted is not None:
            if wanted not in book.sheet_names:
                raise self._refused(
                    f"has no sheet {wanted!r}, which the mapping names", "mend one of them"
                )
            return book.get_sheet_by_name(wanted)
        filled = []
        for sheet in book.sheets_metadata:
            is_shown = sheet.visible == calamine.SheetVisibleEnum.Visible
            if is_shown and sheet.typ == calamine.SheetTypeEnum.WorkSheet:
                found = book.get_sheet_by_name(sheet.name)
                filled += [found] if found.start is not None else []
        if not filled:
            raise self._refused("has no rows in a visible sheet", "send it again")
        if len(filled) > 1:
            names = ", ".join(repr(sheet.name) for sheet in filled[:5])
            raise self._refused(
                f"has several filled sheets ({names})",
                "send one sheet a file, or name the one that is meant in a mapping",
            )
        return filled[0]

    def _header(
        self, sheet: calamine.CalamineSheet, syntax: Syntax
    ) -> tuple[Table, Sequence[Any] | None]:
        first_line = 0 if sheet.start is None else sheet.start[0]
        has_sections = False
        for line, cells in enumerate(self._lines(), start=first_line):
            texts = [(_text(cell, ".") or "").strip(" \t") for cell in cells]
            if line < syntax.skip_rows or not any(texts):
                continue
            is_header = is_section(_line(texts), self._sections)
            has_sections |= bool(self._sections) and begins_sections(_line(texts))
            if has_sections and not is_header:
                continue
            self._refuse_merged(sheet, line)
            if syntax.has_header:
                return Table(tuple(texts), "", NO_ROWS if is_header else None), None
            return Table(tuple(str(number + 1) for number in range(len(texts))), ""), cells
        if has_sections:
            raise FileRefusedError(without_section(self._name))
        raise self._refused("has no header", "put the column names there and send it again")

    def _lines(self) -> Iterator[Sequence[Any]]:
        with self._explained():
            yield from self._cells

    def _refuse_merged(self, sheet: calamine.CalamineSheet, header_row: int) -> None:
        """Only the first of merged cells has a value: the others' would be missing without a word."""
        for _, (last_row, _) in sheet.merged_cell_ranges or ():
            if last_row > header_row:
                raise self._refused(
                    f"has merged cells down to line {last_row + 1}, of which only the first has a value",
                    "unmerge them and send it again",
                )

    def _refused(self, what: str, mend: str) -> FileRefusedError:
        return FileRefusedError(f"{self._name} {what}, so nothing was ingested: {mend}.")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the library raises, its panics included, into a refusal of the whole file."""
        try:
            yield
        except (FileRefusedError, GeneratorExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            is_panic = type(error).__name__ == "PanicException"
            if not (is_panic or isinstance(error, calamine.CalamineError | ValueError | OSError)):
                raise
            raise self._refused(
                "is damaged or no Excel workbook", "save it again as .xlsx and send it"
            ) from error


def _line(texts: Sequence[str | None]) -> str:
    return ",".join(text or "" for text in texts)


def _text(cell: Any, decimal: str, *, has_time: bool = False) -> str | None:
    """A cell as text; an empty one is null."""
    if isinstance(cell, str):
        return cell or None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int | float):
        return _number(cell, decimal)
    if isinstance(cell, datetime):
        return cell.isoformat()
    if isinstance(cell, date):
        return f"{cell.isoformat()}T00:00:00" if has_time else cell.isoformat()
    return str(cell)


def _number(value: float, decimal: str) -> str:
    """The fewest digits that are this double, never with an exponent."""
    digits = f"{Decimal(repr(value)):f}"
    text = digits.removesuffix(".0")
    return UNREADABLE + text if abs(value) >= FIRST_UNSURE else text.replace(".", decimal)
