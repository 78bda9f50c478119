"""The rows of a raw deposit file in a sender's dialect, or of a workbook, read a second time.

Belongs here: one cell at a time, by Python's csv, zoneinfo and python-calamine, and the scalar rules of
cardops.rules.mappings. Nothing of cardops.contracts.reading: a mistake there must not hide itself here.
The form is that of docs/mappings.md.
"""

import codecs
import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, BinaryIO, Final
from zoneinfo import ZoneInfo

import python_calamine as calamine

from cardops.rules.mappings.amounts import UNREADABLE
from cardops.rules.mappings.mapping import (
    DIRECTION,
    FileMapping,
    credit_role,
    debit_role,
    theirs_by_role,
)
from cardops.services.reconciliation.raw_rows import (
    COLUMNS,
    Values,
    csv_records,
    is_naive_instant,
)

MONEY: Final = "amount"
MOMENT: Final = "timestamp"
_DAY: Final = re.compile(r"(19|2\d)\d\d-\d\d-\d\d", re.ASCII)
_NOUGHT: Final = re.compile(r"[-+0.,' ]*")
_BAD_BYTES: Final = "cardops.recount_bad_bytes"
_ERROR_CELL: Final = re.compile(rb"""(<(?:[\w.-]+:)?c\s[^<>]*?\bt\s*=\s*)(?:"e"|'e')""")
_FIRST_UNSURE: Final = 2**53
Cell = str | int | float | bool | date | None
Record = Sequence[Any] | None


def csv_cells(stream: BinaryIO, mapping: FileMapping) -> Iterator[Record]:
    """The header, or positions where there is none, and every record; None for one that is none."""
    codecs.register_error(_BAD_BYTES, _marked)
    is_utf8 = mapping.encoding == "utf-8"
    encoding = "utf-8-sig" if is_utf8 else mapping.encoding
    with io.TextIOWrapper(
        stream, encoding=encoding, errors="surrogateescape" if is_utf8 else _BAD_BYTES
    ) as text:
        lines = (line.removesuffix("\n") for line in text)
        for _ in range(mapping.skip_rows):
            next(lines, None)
        yield from _with_header(csv_records(lines, mapping.delimiter), mapping)


def sheet_cells(content: bytes, mapping: FileMapping) -> Iterator[Record]:
    """The same of a workbook's only filled visible sheet, or of the one that the mapping names."""
    book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(_with_error_texts(content)))
    names = [mapping.sheet] if mapping.sheet else [
        sheet.name
        for sheet in book.sheets_metadata
        if sheet.visible == calamine.SheetVisibleEnum.Visible
        and sheet.typ == calamine.SheetTypeEnum.WorkSheet
        and book.get_sheet_by_name(sheet.name).start is not None
    ]  # fmt: skip
    sheet = book.get_sheet_by_name(names[0])
    first_line = 0 if sheet.start is None else sheet.start[0]
    filled = (
        cells
        for line, cells in enumerate(sheet.iter_rows(), start=first_line)
        if line >= mapping.skip_rows and any(str(cell).strip(" \t") for cell in cells)
    )
    yield from _with_header(filled, mapping)


def contract_rows(
    records: Iterator[Record], mapping: FileMapping, currency: str
) -> Iterator[Values | None]:
    """Each record below the header in the contract's own texts; None for one that is none."""
    header = next(records, None) or []
    places = _places([str(name) for name in header], mapping)
    for record in records:
        if record is None or len(record) != len(header):
            yield None
        else:
            cells = {role: record[place] for role, place in places.items()}
            yield _contract_texts(cells, mapping, currency)


def for_released_file(mapping: FileMapping) -> FileMapping:
    """Of a file made of quarantined rows: the sender's own text, in UTF-8, header first."""
    return replace(mapping, encoding="utf-8", has_header=True, skip_rows=0, sheet=None)


def _marked(error: UnicodeError) -> tuple[str, int]:
    end = error.end if isinstance(error, UnicodeDecodeError) else 0
    return "\udcff", end


def _with_header(records: Iterator[Record], mapping: FileMapping) -> Iterator[Record]:
    if not mapping.has_header:
        first = next(records, None) or []
        yield [str(number) for number in range(1, len(first) + 1)]
        yield first
    yield from records


def _with_error_texts(content: bytes) -> bytes:
    """The workbook with its errors (#N/A) as texts: the library would say that the cells are empty."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(target, "w") as copy:
        for name in archive.namelist():
            part = archive.read(name)
            is_sheet = name.lower().startswith("xl/worksheets/") and name.lower().endswith(".xml")
            copy.writestr(name, _ERROR_CELL.sub(rb'\1"str"', part) if is_sheet else part)
    return target.getvalue()


def _places(header: Sequence[str], mapping: FileMapping) -> dict[str, int]:
    """Column, or helping column of the mapping -> its position."""
    found = [name.strip(" \t\ufeff").lower() for name in header]
    roles = theirs_by_role(mapping)
    named = {role: theirs.strip(" \t\ufeff").lower() for role, theirs in roles.items()}
    places = {role: found.index(name) for role, name in named.items() if name in found}
    used = {*named.values(), *(name.strip(" \t\ufeff").lower() for name in mapping.ignored)}
    filled = {*mapping.debit_credit, *named}
    for column, candidates in COLUMNS.items():
        if column in filled or not mapping.has_header:
            continue
        spellings = [s for name in candidates for s in (name, name.replace("_", ""))]
        free = [
            found.index(name)
            for name in spellings
            if name in found and name not in used and found.index(name) not in places.values()
        ]
        if free:
            places[column] = free[0]
    return places


def _contract_texts(cells: Mapping[str, Cell], mapping: FileMapping, currency: str) -> Values:
    texts = {
        role: _text(cell, mapping, is_money=role not in {*COLUMNS} - {MONEY}, role=role)
        for role, cell in cells.items()
    }
    found = {column: texts.get(column) for column in COLUMNS}
    for column, words in mapping.values.items():
        own = found.get(column)
        found[column] = own if own is None else words.get(own, own)
    for column, value in mapping.constants.items():
        own = texts.get(column)
        found[column] = value if own in {None, value} else UNREADABLE + value
    found[MONEY] = _amount(texts, mapping, found.get("currency") or currency)
    found[MOMENT] = _moment(found.get(MOMENT), mapping)
    return found


def _text(cell: Cell, mapping: FileMapping, *, is_money: bool, role: str) -> str | None:
    if cell is None or isinstance(cell, str):
        return (cell or "").strip(" \t") or None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int | float):
        digits = f"{Decimal(repr(cell)):f}".removesuffix(".0")
        if abs(cell) >= _FIRST_UNSURE:
            return UNREADABLE + digits
        return digits.replace(".", mapping.amounts.decimal) if is_money else digits
    if isinstance(cell, datetime):
        return cell.isoformat()
    has_midnight = role == MOMENT and mapping.time_of_day is None
    return f"{cell.isoformat()}T00:00:00" if has_midnight else str(cell)


def _amount(texts: Mapping[str, str | None], mapping: FileMapping, currency: str) -> str | None:
    text, is_debit = texts.get(MONEY), False
    if MONEY in mapping.debit_credit:
        credit, debit = texts.get(credit_role(MONEY)), texts.get(debit_role(MONEY))
        is_nought = [side is None or bool(_NOUGHT.fullmatch(side)) for side in (credit, debit)]
        is_debit = is_nought[0] and not is_nought[1]
        text = debit if is_debit else credit or debit
        if not any(is_nought):
            return UNREADABLE + (text or "")
    elif mapping.direction is not None:
        word = texts.get(DIRECTION)
        is_debit = word in {known.strip() for known in mapping.direction.debit}
        if not is_debit and word not in {known.strip() for known in mapping.direction.credit}:
            return UNREADABLE + (text or "")
    return text and mapping.amounts.contract_text(text, currency, is_debit=is_debit)


def _moment(text: str | None, mapping: FileMapping) -> str | None:
    if text is None:
        return None
    isos = (date_format.iso(text) for date_format in mapping.date_formats)
    text = next((iso for iso in isos if iso is not None), text)
    if mapping.time_of_day and _DAY.fullmatch(text):
        text = f"{text}T{mapping.time_of_day}"
    if mapping.time_zone is None or not is_naive_instant(text):
        return text
    try:
        wall = datetime.fromisoformat(text.upper().replace(",", "."))
    except ValueError:
        return text
    return _in_zone(wall, ZoneInfo(mapping.time_zone), mapping.repeated_hour) or UNREADABLE + text


def _in_zone(wall: datetime, zone: ZoneInfo, repeated: str) -> str | None:
    """In UTC; None where the zone never had the time, or had it twice and nobody said which."""
    both = [wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    if both[0].astimezone(zone).replace(tzinfo=None) != wall:
        return None
    if both[0] != both[1] and repeated == "refuse":
        return None
    return both[int(repeated == "later")].isoformat()


def is_workbook(name: str) -> bool:
    """Whether the name, compression aside, is that of an Excel workbook."""
    return name.lower().removesuffix(".gz").removesuffix(".zst").endswith(".xlsx")
