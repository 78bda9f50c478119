"""Tables of a report's page: exact texts in cells, under headings, with how many rows are not shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from cardops.services.reports.amounts import change, priced

# Dates with books that a band needs; with fewer its quartiles say nothing.
MIN_BAND_DAYS: Final = 5
# Column of a record -> its heading.
Headings = Mapping[str, str]
Records = Sequence[Mapping[str, Any]]
# Texts that are read as numbers: set flush right.
_NUMBERS: Final = {"change", "share", "value_share", "before", "median"}
# A longer word may be broken anywhere; others never, so that columns stay as wide as their words.
_LONG_WORD: Final = 20


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell's text. `label`: its column's heading, which stands beside it on a narrow screen."""

    text: str
    label: str
    is_number: bool = False

    @property
    def is_long(self) -> bool:
        """Whether it has a word that may not fit, as a file's name."""
        return any(len(word) > _LONG_WORD for word in self.text.split())


@dataclass(frozen=True, slots=True)
class Table:
    """One table. Without rows the page says `nothing`; the first column names the row."""

    anchor: str
    title: str
    head: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    nothing: str = "None."


def table_of(
    anchor: str,
    title: str,
    records: Records,
    headings: Headings,
    *,
    note: str = "",
    nothing: str = "None.",
) -> Table:
    """The records under these headings."""
    numeric = {
        name
        for name in headings
        if name in _NUMBERS or any(_is_number(record.get(name)) for record in records)
    }
    head = [Cell(heading, heading, name in numeric) for name, heading in headings.items()]
    rows = [
        [Cell(_text(record, name), heading, name in numeric) for name, heading in headings.items()]
        for record in records
    ]
    return Table(anchor, title, head, rows, note, nothing)


def compared(
    record: Mapping[str, Any], figure: str, shown: Callable[[int], str] | None = None
) -> dict[str, str]:
    """A figure against the day before and against the middle half of the 28 dates before it."""
    show = shown or (lambda value: f"{value:,}")
    now, days = int(record[figure]), int(record["band_days"])
    before = record[f"before_{figure}"]
    known = {
        "before": show(int(before)) if before is not None else "none",
        "change": change(now, None if before is None else int(before)),
    }
    if days < MIN_BAND_DAYS:
        few = f"too few dates ({days} of 28)"
        return {**known, "median": few, "band": few, "place": ""}
    low, median, high = (int(record[f"{name}_{figure}"]) for name in ("low", "median", "high"))
    # Money out is negative: more of it is more, not less.
    least, most = sorted((abs(low), abs(high)))
    place = "less" if abs(now) < least else "more" if abs(now) > most else "within"
    return {
        **known,
        "median": show(median),
        "band": f"{show(low)} to {show(high)}",
        "place": place,
    }


def _text(record: Mapping[str, Any], name: str) -> str:
    """Amounts with their currency, counts with thousands apart, nothing for what is missing."""
    value = record.get(name)
    if value is None:
        return ""
    if name == "minor" or name.endswith("_minor"):
        return priced(int(value), record.get("currency"), record.get("unit"))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int | Decimal) else str(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)
