"""Counts and sums read back from a chargeback file's own bytes, as a card company would read them.

Belongs here: the reading, which shares no code with the writing, so that it can prove it.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from cardops.rules.chargebacks.files import COLUMNS
from cardops.rules.money import AmountProblem, parse_amount


class UnreadableChargebackFileError(ValueError):
    """A chargeback file does not have its format; the message says where."""


@dataclass(frozen=True, slots=True)
class ControlTotals:
    """Rows, and money by currency in minor units."""

    row_count: int
    totals_minor: Mapping[str, int]


def read_control_totals(content: BinaryIO) -> ControlTotals:
    """Rows and sums of a chargeback file, from its bytes alone, a row at a time."""
    lines = io.TextIOWrapper(content, encoding="utf-8", newline="")
    rows = csv.reader(lines, strict=True)
    try:
        if tuple(next(rows, ())) != COLUMNS:
            raise UnreadableChargebackFileError("the header is not the header of a chargeback file")
        return _add_up(rows)
    except (csv.Error, UnicodeDecodeError) as error:
        raise UnreadableChargebackFileError(f"not a chargeback file: {error}") from None
    finally:
        lines.detach()


def _add_up(rows: Iterable[list[str]]) -> ControlTotals:
    at_amount, at_currency = COLUMNS.index("dispute_amount"), COLUMNS.index("dispute_currency")
    row_count, totals = 0, dict[str, int]()
    for row_count, row in enumerate(rows, start=1):
        if len(row) != len(COLUMNS):
            raise UnreadableChargebackFileError(f"row {row_count} has {len(row)} fields")
        currency = row[at_currency]
        # A credit is negative.
        text = row[at_amount]
        amount = parse_amount(text.removeprefix("-"), currency)
        if isinstance(amount, AmountProblem):
            raise UnreadableChargebackFileError(f"row {row_count} has an {amount}")
        signed = -amount if text.startswith("-") else amount
        totals[currency] = totals.get(currency, 0) + signed
    return ControlTotals(row_count, totals)
