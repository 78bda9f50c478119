"""A mapping proposed for a file that nobody knows, and what a person must still say.

Belongs here: what follows from the file's first lines for certain. What could mean two things is left
out of the proposal, with a question.
"""

import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import Any, Final

from cardops.contracts.kinds.contract import Contract
from cardops.contracts.reading.compression import plain_name
from cardops.contracts.reading.csv_rows import Syntax
from cardops.contracts.reading.records import record_at
from cardops.contracts.reading.source import (
    SourceFile,
    normalised,
    opened,
    refusing_broken_compression,
    resolve,
)
from cardops.rules.currencies import EXPONENTS
from cardops.rules.data_tables import read_table
from cardops.rules.mappings.amounts import SEPARATORS, UNREADABLE, AmountFormat, Sign
from cardops.rules.mappings.dates import DateFormat

SAMPLE_BYTES: Final = 256 * 1024
SAMPLE_LINES: Final = 300
MAX_AMOUNT_CHARACTERS: Final = 64
DELIMITERS: Final = (",", ";", "\t", "|")
_DAYS: Final = (
    "%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%Y", "%m-%d-%Y",
    "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d-%b-%Y", "%d %b %Y",
)  # fmt: skip
_TIMES: Final = (
    "", " %H:%M", " %H:%M:%S", ", %H:%M", ", %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S",
)  # fmt: skip
_FORMATS: Final = tuple(DateFormat(day + time) for day, time in product(_DAYS, _TIMES))
_ISO: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.,]+(Z|[+-][0-9:]+)?)?")
_VALUE: Final = re.compile(r"[-+(]*[0-9][0-9.,'\u2019\u00a0 -]*|.*[0-9]{2}[./-][0-9]{2}.*")
_SYMBOL: Final = re.compile(r"^[-+(\s]*([^\d\s+(.,'-]{1,4})|([^\d\s)+.,'-]{1,4})[)\s-]*$")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A definition, and questions that only somebody who knows the sender can answer."""

    definition: Mapping[str, Any]
    questions: Sequence[str]


@dataclass(slots=True)
class _Sample:
    """A file's names and first rows, and what was found so far."""

    names: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    found: dict[str, Any] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)

    def cells(self, position: int) -> list[str]:
        cells = (row[position].strip() for row in self.rows if position < len(row))
        return [cell for cell in cells if cell]


def propose_mapping(path: Path, contract: Contract) -> Proposal | None:
    """A proposal for a CSV file or workbook; None for other formats, and where no table is seen.

    Raises FileRefusedError.
    """
    with path.open("rb") as content, refusing_broken_compression(path.name):
        source = SourceFile(path.name, content)
        form = plain_name(path.name).rpartition(".")[2]
        if form == "csv":
            sample = _csv_sample(opened(source).read(SAMPLE_BYTES))
        elif form == "xlsx":
            sample = _workbook_sample(source)
        else:
            return None
    if sample is None:
        return None
    positions = _find_columns(sample, contract)
    _find_amounts(sample, [positions[name] for name in contract.amounts if name in positions])
    _find_times(sample, contract, positions)
    return Proposal(sample.found, sample.questions)


def _csv_sample(content: bytes) -> _Sample | None:
    sample = _Sample()
    lines = _text(content, sample).splitlines()[:SAMPLE_LINES]
    shapes = {sign: [_fields(line, sign) for line in lines] for sign in DELIMITERS}
    widths = {
        sign: Counter(len(fields) for fields in shape if len(fields) > 1).most_common(1)
        for sign, shape in shapes.items()
    }
    delimiter = max(DELIMITERS, key=lambda sign: widths[sign][0][::-1] if widths[sign] else (0, 0))
    if not widths[delimiter]:
        return None
    width = widths[delimiter][0][0]
    shape = shapes[delimiter]
    start = next(index for index, fields in enumerate(shape) if len(fields) == width)
    if delimiter != ",":
        sample.found["delimiter"] = delimiter
    if any(line.strip() for line in lines[:start]):
        sample.found["skip_rows"] = start
    sample.names, sample.rows = (
        shape[start],
        [row for row in shape[start + 1 :] if len(row) == width],
    )
    if any(_VALUE.fullmatch(name.strip()) for name in sample.names):
        sample.found["header"] = False
        sample.rows = [sample.names, *sample.rows]
        sample.names = [str(number) for number in range(1, width + 1)]
        sample.questions.append(
            "The first line looks like a row, so columns are named by position: which is which?"
        )
    return sample


def _text(content: bytes, sample: _Sample) -> str:
    encoding = _encoding(content)
    if encoding == "cp1252":
        sample.questions.append(
            "The file is not UTF-8; it is read as cp1252: are letters with accents right?"
        )
    if encoding != "utf-8":
        sample.found["encoding"] = encoding
    return content.decode(encoding, errors="replace").lstrip("\ufeff")


def _encoding(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    noughts = [content[start::2].count(0) for start in (0, 1)]
    if max(noughts) > len(content) // 4:
        return "utf-16-be" if noughts[0] > noughts[1] else "utf-16-le"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(content)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _fields(line: str, delimiter: str) -> list[str]:
    return record_at([line], 0, delimiter=delimiter).fields or []


def _workbook_sample(source: SourceFile) -> _Sample | None:
    from cardops.contracts.reading.xlsx_rows import XlsxRows  # noqa: PLC0415 - seldom needed

    rows = XlsxRows(source.name, opened(source), Syntax())
    first = next(rows.chunks(), None)
    if first is None:
        return None
    cells = first.head(SAMPLE_LINES).drop("row_number", "raw", "framing").fill_null("").rows()
    return _Sample(names=rows.table.names, rows=cells)


def _find_columns(sample: _Sample, contract: Contract) -> dict[str, int]:
    """Our column -> its position, by the contract's own names, else by names that senders use."""
    header = resolve(sample.names, contract)
    positions = dict(header.positions)
    free = [position for position in range(len(sample.names)) if position not in positions.values()]
    synonyms = _synonyms()
    for column in contract.columns:
        if column in positions:
            continue
        own = {_comparable(name) for name in (column, *contract.aliases.get(column, ()))}
        known = own | synonyms.get(column, frozenset())
        matches = [at for at in free if _comparable(sample.names[at]) in known]
        if len(matches) > 1:
            names = " or ".join(sample.names[at].strip() for at in matches)
            sample.questions.append(f"Which column is {column}: {names}?")
        elif matches:
            positions[column] = matches[0]
            free.remove(matches[0])
            sample.found.setdefault("columns", {})[sample.names[matches[0]].strip()] = column
    missing = [column for column in contract.required if column not in positions]
    if missing:
        others = ", ".join(sample.names[at].strip() for at in free) or "none"
        sample.questions.append(
            f"Which columns are {', '.join(missing)}? Not used yet: {others}. A currency that is the "
            "same in every row is a constant."
        )
    elif "currency" not in positions:
        sample.questions.append(
            "No column is the currency: is it the same in every row (then it is a constant)?"
        )
    return positions


def _find_amounts(sample: _Sample, positions: Sequence[int]) -> None:
    # Of a longer text no format is looked for, which could take long.
    texts = [text[:MAX_AMOUNT_CHARACTERS] for at in positions for text in sample.cells(at)]
    affixes = _symbols(sample, texts)
    readings: dict[tuple[str, ...], AmountFormat] = {}
    for decimal, thousands in product((".", ","), SEPARATORS):
        amounts = AmountFormat(decimal, thousands, sign=Sign.SIGNED, affixes=affixes)
        read = tuple(amounts.contract_text(text, None) for text in texts)
        if decimal != thousands and not any(text.startswith(UNREADABLE) for text in read):
            readings.setdefault(read, amounts)
    if affixes and readings:
        sample.found["affixes"] = list(affixes)
    if len(readings) > 1:
        example = next(text for text in texts if len({*_all_readings(text, readings.values())}) > 1)
        sample.questions.append(
            f"{example!r} may be read in two ways: what are `decimal` and `thousands` of this sender?"
        )
    elif not readings and texts:
        sample.questions.append("Its amounts are in no known form: how does the sender write them?")
    for read, amounts in list(readings.items())[:1] if len(readings) == 1 else []:
        sample.found |= {"decimal": amounts.decimal} if amounts.decimal != "." else {}
        sample.found |= {"thousands": amounts.thousands} if amounts.thousands else {}
        if any(text.startswith("-") for text in read):
            sample.questions.append(
                "Some amounts are negative: which `sign` does the money of this kind have?"
            )


def _symbols(sample: _Sample, texts: Sequence[str]) -> tuple[str, ...]:
    """The one currency symbol of the amounts; of others only a person knows what they mean."""
    found = {one or other for text in texts for one, other in _SYMBOL.findall(text)}
    symbols = tuple(sorted(found - {"\u2212"}))
    if not symbols:
        return ()
    is_currency = symbols[0] in EXPONENTS or any(
        unicodedata.category(sign) == "Sc" for sign in symbols[0]
    )
    if len(symbols) == 1 and is_currency:
        return symbols
    sample.questions.append(
        f"Amounts stand beside {' and '.join(symbols)}: which are symbols of the one currency "
        "(`affixes`), and which say something else, such as the side or another currency?"
    )
    return ()


def _all_readings(text: str, formats: Any) -> Iterator[str]:
    for amounts in formats:
        yield replace(amounts).contract_text(text, None)


def _find_times(sample: _Sample, contract: Contract, positions: Mapping[str, int]) -> None:
    columns = {column: positions[column] for column in contract.times if column in positions}
    formats: list[str] = []
    for column, at in columns.items():
        texts = [text for text in sample.cells(at) if not _ISO.fullmatch(text)]
        possible = [one for one in _FORMATS if texts and all(_is_day(one, text) for text in texts)]
        readings = {tuple(one.iso(text) for text in texts): one for one in reversed(possible)}
        if len(readings) > 1:
            names = " or ".join(one.text for one in readings.values())
            sample.questions.append(f"{texts[0]!r} may be read in two ways: is it {names}?")
        elif texts and not readings:
            sample.questions.append(
                f"{texts[0]!r} of {sample.names[at].strip()} is in no known form: what does it mean?"
            )
        formats += [one.text for one in readings.values()] if len(readings) == 1 else []
        _ask_about_time(sample, column, at, is_day_allowed=contract.times[column])
    if formats:
        sample.found["date_formats"] = list(dict.fromkeys(formats))[:4]


def _ask_about_time(sample: _Sample, column: str, at: int, *, is_day_allowed: bool) -> None:
    texts = sample.cells(at)
    has_time = any(":" in text for text in texts)
    if has_time and not any(re.search(r"(Z|[+-][0-9]{2}:?[0-9]{2})$", text) for text in texts):
        question = "Its times have no offset: in which `time_zone` are they (else UTC)?"
    elif texts and not has_time and not is_day_allowed:
        question = f"{column} needs a time of day: which `time_of_day` do its dates stand for?"
    else:
        return
    if question not in sample.questions:
        sample.questions.append(question)


def _is_day(date_format: DateFormat, text: str) -> bool:
    iso = date_format.iso(text)
    try:
        return iso is not None and datetime.fromisoformat(iso).year > 0
    except ValueError:
        return False


def _synonyms() -> dict[str, frozenset[str]]:
    return {
        row["column"]: frozenset(map(_comparable, row["names"].split()))
        for row in read_table("column_synonyms")
    }


def _comparable(name: str) -> str:
    """A name without accents, case and separators."""
    plain = unicodedata.normalize("NFKD", normalised(name))
    return "".join(letter for letter in plain if letter.isalnum() and letter.isascii())
