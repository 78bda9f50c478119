"""The scalar chargeback file, written one row at a time.

cardops.contracts.lake.chargeback_csv must produce the same bytes from whole columns.
"""

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import date

from cardops.rules.chargebacks.files import (
    COLUMNS,
    FORMULA_STARTS,
    TEXT_COLUMNS,
    SplitMode,
    slot_ranges,
)
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.currencies import EXPONENTS
from cardops.rules.money import format_amount


@dataclass(frozen=True, slots=True)
class Chargeback:
    """One row of a chargeback file, in the order of COLUMNS, amounts in minor units."""

    case_number: str
    stage: str
    action_sequence: int
    network: str
    transaction_id: str
    arn: str | None
    merchant_id: str | None
    merchant_name: str | None
    card_bin: str | None
    card_last4: str | None
    transaction_date: date | None
    transaction_amount_minor: int | None
    transaction_currency: str | None
    dispute_amount_minor: int
    dispute_currency: str
    dispute_date: date
    reason_code: str | None
    reason_category: str | None
    reason_text: str | None
    status: str | None
    reply_by_date: date | None


@dataclass(frozen=True, slots=True)
class Body:
    """A file's bytes, with its counts and totals."""

    content: bytes
    row_count: int
    totals_minor: Mapping[str, int]
    neutralised_count: int

    @property
    def sha256(self) -> str:
        """Hash of the bytes, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


def split_into_files(
    chargebacks: Iterable[Chargeback], mode: SplitMode
) -> dict[str, list[Chargeback]]:
    """Every row to exactly one of at most four slots, each sorted; a slot without rows is absent."""
    rows = sorted(chargebacks, key=sort_key)
    if mode is SplitMode.BY_NETWORK:
        slots = {slot: [row for row in rows if row.network == slot] for slot in NETWORKS}
    else:
        slots = {slot: rows[at : at + size] for slot, (at, size) in slot_ranges(len(rows)).items()}
    if sum(map(len, slots.values())) != len(rows):
        unrouted = sorted({row.network for row in rows} - set(NETWORKS))
        raise ValueError(f"no file takes the rows of {', '.join(unrouted)}: route them first")
    return {slot: members for slot, members in slots.items() if members}


def sort_key(row: Chargeback) -> tuple[str, str, int, tuple[str, ...]]:
    """By case, stage and sequence; what follows makes the order total."""
    return (row.case_number, row.stage, row.action_sequence, plain_cells(row))


def plain_cells(row: Chargeback) -> tuple[str, ...]:
    """The row as text, formulas unchanged."""
    texts = dict(zip(COLUMNS, map(_text, astuple(row)), strict=True))
    texts["transaction_amount"] = _amount(row.transaction_amount_minor, row.transaction_currency)
    texts["dispute_amount"] = _amount(row.dispute_amount_minor, row.dispute_currency)
    return tuple(texts.values())


def render(rows: Sequence[Chargeback], *, neutralise: bool = True) -> Body:
    """The CSV of one slot's rows: UTF-8, CRLF, every field quoted, sorted."""
    lines = io.StringIO(newline="")
    writer = csv.writer(lines, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    neutralised_count, totals = 0, dict[str, int]()
    for row in sorted(rows, key=sort_key):
        cells, count = neutralised(plain_cells(row)) if neutralise else (plain_cells(row), 0)
        writer.writerow(cells)
        neutralised_count += count
        currency = row.dispute_currency
        totals[currency] = totals.get(currency, 0) + row.dispute_amount_minor
    return Body(lines.getvalue().encode(), len(rows), totals, neutralised_count)


def neutralised(cells: tuple[str, ...]) -> tuple[tuple[str, ...], int]:
    """The cells with an apostrophe before each text that a spreadsheet would run, and how many."""
    pairs = zip(COLUMNS, cells, strict=True)
    safe = tuple(
        f"'{cell}" if name in TEXT_COLUMNS and cell.startswith(FORMULA_STARTS) else cell
        for name, cell in pairs
    )
    return safe, sum(map(str.__ne__, safe, cells))


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _amount(amount_minor: int | None, currency: str | None) -> str:
    if amount_minor is None or currency not in EXPONENTS:
        return ""
    return format_amount(amount_minor, currency)
