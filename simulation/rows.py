"""Rows and files of a simulated day, each with its expected outcome.

Belongs here: what every kind has in common, and the order of rows in a file. The code that
makes a row also sets its expected outcome; nothing here judges a row.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from cardops.rules.intake.files import Kind, RowFlag, RowReason
from simulation.dispute_clocks import NOBODY, Due

# Written as the byte 0xFF, which no UTF-8 text has (files are written with surrogateescape).
NOT_UTF8: Final = b"\xff".decode(errors="surrogateescape")

# Items of an order and a nested payment method are the only cells that are not text.
Cell = str | int | list[dict[str, "Cell"]] | dict[str, "Cell"] | None


class Number(str):
    """A decimal text that JSON writes as a number, digit for digit."""

    __slots__ = ()


class Outcome(StrEnum):
    """What must become of a row when its file is ingested."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"


@dataclass(slots=True)
class Row:
    """One row: its cells by canonical column name, and its expected outcome.

    `position` orders rows in their file. `is_malformed` damages the line itself: too many cells, or
    cut short. `is_plain`: no other row was derived from it, so it may be repeated. `released_by` is
    the file whose arrival releases the row from quarantine. `due`: by when its dispute is to be answered
    once this row is its last step. `category`: of the reason that it names, of disputes.
    """

    cells: dict[str, Cell]
    amount_minor: int
    currency: str
    position: float
    network: str = ""
    outcome: Outcome = Outcome.ACCEPTED
    reasons: tuple[RowReason, ...] = ()
    flags: tuple[RowFlag, ...] = ()
    is_malformed: bool = False
    is_plain: bool = True
    released_by: str | None = None
    due: Due = NOBODY
    category: str = ""

    def copy(self, position: float, **changes: Cell) -> "Row":
        """The same row further down, with some cells changed."""
        cells = {**self.cells, **changes}
        row = Row(cells, self.amount_minor, self.currency, position, self.network)
        row.due, row.category = self.due, self.category
        return row

    def quarantined(self, *reasons: RowReason) -> "Row":
        """This row, meant to be quarantined for exactly these reasons."""
        self.outcome, self.reasons = Outcome.QUARANTINED, reasons
        return self

    def duplicate(self) -> "Row":
        """This row, meant to be counted as a duplicate."""
        self.outcome = Outcome.DUPLICATE
        return self

    def flagged(self, *flags: RowFlag) -> "Row":
        """This row, meant to be accepted with these flags; no other row is derived from it."""
        self.flags, self.is_plain = flags, False
        return self


@dataclass(slots=True)
class InputFile:
    """One file of the day: its rows in file order, and how they are written.

    `names` are the headers that differ from the canonical ones; `columns` those that it has.
    `is_spreadsheet`: with BOM, CRLF, blank lines and padded cells. `is_typed`: Parquet with decimals
    and instants. `is_camel`: headers in camelCase. `nests`: the payment method contains its
    provider. `refused_for`: why the whole file must be refused.
    """

    kind: Kind
    name: str
    columns: Sequence[str]
    rows: list[Row] = field(default_factory=list)
    names: Mapping[str, str] = field(default_factory=dict)
    has_number_amounts: bool = False
    is_spreadsheet: bool = False
    is_typed: bool = False
    nests: bool = False
    is_camel: bool = False
    refused_for: str | None = None

    @property
    def path(self) -> str:
        """Where it is under the day's folder: `deposits/deposits-1.csv`."""
        return f"{self.kind}/{self.name}"

    @property
    def end(self) -> float:
        """Past the last row's position."""
        return max((row.position for row in self.rows), default=0.0) + 1

    def plain_rows(self) -> list[Row]:
        """Accepted rows that no other row was derived from."""
        return [row for row in self.rows if row.is_plain and row.outcome is Outcome.ACCEPTED]

    def arrange(self) -> None:
        """Put the rows in the order of their positions."""
        self.rows.sort(key=lambda row: row.position)


def count_of(rows: int, per_mille: float) -> int:
    """That share of the rows, at least one."""
    return max(1, round(rows * per_mille / 1000))


def totals_of(rows: Iterable[Row]) -> dict[str, int]:
    """Money by currency, in minor units."""
    totals: Counter[str] = Counter()
    for row in rows:
        totals[row.currency] += row.amount_minor
    return dict(sorted(totals.items()))
