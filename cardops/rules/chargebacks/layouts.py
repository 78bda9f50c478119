"""How the chargeback files of a destination look, as data: a partner's own columns without code.

Belongs here: what a layout may say, and why one is refused. Which rows a file has and their order are the
same in every layout; the bytes are written by cardops.contracts.lake.chargeback_csv.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cardops.rules.chargebacks.files import FORMAT_VERSION, columns_of
from cardops.rules.errors import ExplainedError

MAX_COLUMNS: Final = 100
MAX_TEXT: Final = 200
DELIMITERS: Final = (",", ";", "\t", "|")
DATE_COLUMNS: Final = ("transaction_date", "dispute_date", "reply_by_date")
AMOUNT_COLUMNS: Final = ("transaction_amount", "dispute_amount", "settlement_amount")
# Without these nobody can add a file up from its own bytes.
REQUIRED: Final = ("case_number", "dispute_amount", "dispute_currency")
DATE_FORMATS: Final = {
    "YYYY-MM-DD": "%Y-%m-%d",
    "YYYYMMDD": "%Y%m%d",
    "DD/MM/YYYY": "%d/%m/%Y",
    "MM/DD/YYYY": "%m/%d/%Y",
    "DD.MM.YYYY": "%d.%m.%Y",
}
AMOUNTS: Final = ("decimal", "minor")
_KEYS: Final = frozenset({"columns", "delimiter", "date_format", "amounts", "header", "quote_all"})
_COLUMN_KEYS: Final = frozenset({"header", "column", "constant"})


class InvalidLayoutError(ExplainedError):
    """A layout cannot be used; one sentence for each problem."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(f"The layout cannot be used: {'; '.join(problems)}.")


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """One column of a file: its header, and our column or a constant text."""

    header: str
    column: str | None = None
    constant: str = ""


@dataclass(frozen=True, slots=True)
class DestinationLayout:
    """Columns in their order, and how values are written.

    `amounts`: `decimal` in the currency's unit, or `minor` units. `date_format`: a key of
    DATE_FORMATS. `quotes_all`: every field is quoted, else only those that need it.
    """

    columns: tuple[OutputColumn, ...]
    delimiter: str = ","
    date_format: str = "YYYY-MM-DD"
    amounts: str = "decimal"
    has_header: bool = True
    quotes_all: bool = True

    def place_of(self, column: str) -> int | None:
        """Where our column is in a line, from 0; None where the layout lacks it."""
        places = (place for place, found in enumerate(self.columns) if found.column == column)
        return next(places, None)


@dataclass(frozen=True, slots=True)
class StoredLayout:
    """One version of a program's layout for a destination; `definition` None: the standard one."""

    program: str
    destination: str
    version: int
    definition: Mapping[str, Any] | None
    set_by: str
    why: str


def standard_layout(version: int = FORMAT_VERSION) -> DestinationLayout:
    """Our own columns under their own names."""
    return DestinationLayout(tuple(OutputColumn(name, name) for name in columns_of(version)))


def parse_layout(definition: object) -> DestinationLayout:
    """The layout that a JSON object says. Raises InvalidLayoutError."""
    if not isinstance(definition, dict):
        raise InvalidLayoutError(["it is no JSON object"])
    problems = [f"unknown key {key!a}" for key in sorted(set(definition) - _KEYS)]
    columns, of_columns = _columns(definition.get("columns"))
    problems += of_columns
    problems += _choice(definition, "delimiter", DELIMITERS)
    problems += _choice(definition, "date_format", tuple(DATE_FORMATS))
    problems += _choice(definition, "amounts", AMOUNTS)
    for key in ("header", "quote_all"):
        if not isinstance(definition.get(key, True), bool):
            problems.append(f"{key} must be true or false")
    if problems:
        raise InvalidLayoutError(problems)
    return DestinationLayout(
        columns,
        delimiter=definition.get("delimiter", ","),
        date_format=definition.get("date_format", "YYYY-MM-DD"),
        amounts=definition.get("amounts", "decimal"),
        has_header=definition.get("header", True),
        quotes_all=definition.get("quote_all", True),
    )


def _choice(definition: Mapping[str, object], key: str, allowed: Sequence[str]) -> list[str]:
    if key not in definition or definition[key] in allowed:
        return []
    return [f"{key} must be one of {', '.join(map(ascii, allowed))}"]


def _columns(listed: object) -> tuple[tuple[OutputColumn, ...], list[str]]:
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_COLUMNS:
        return (), [f"columns must be a list of 1 to {MAX_COLUMNS} columns"]
    columns, problems = list[OutputColumn](), list[str]()
    for number, column in enumerate(listed, start=1):
        problem = _column_problem(column)
        if problem:
            problems.append(f"column {number} {problem}")
        else:
            columns.append(OutputColumn(**column))
    headers = [column.header for column in columns]
    twice = sorted({header for header in headers if headers.count(header) > 1})
    problems += [f"the header {header!a} is there twice" for header in twice]
    sources = {column.column for column in columns}
    problems += [
        f"{name} is missing, and is needed to add the file up"
        for name in REQUIRED
        if name not in sources
    ]
    return tuple(columns), problems


def _column_problem(column: object) -> str | None:
    if not isinstance(column, dict) or set(column) - _COLUMN_KEYS or "header" not in column:
        return "must be an object with header, and column or constant"
    if ("column" in column) == ("constant" in column):
        return "must have either column or constant"
    texts = [str(value) for value in column.values()]
    if not all(isinstance(value, str) for value in column.values()):
        return "must have texts only"
    if any(len(text) > MAX_TEXT or not text.isprintable() for text in texts):
        return f"has a text that is not printable or longer than {MAX_TEXT} characters"
    name = column.get("column")
    if name is not None and name not in columns_of(FORMAT_VERSION):
        return f"names {name[:64]!a}, which is no column of ours"
    return None
