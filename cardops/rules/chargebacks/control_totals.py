"""Counts and sums read back from a chargeback file's own bytes, as a card company would read them.

Belongs here: the reading, which shares no code with the writing, so that it can prove it.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from cardops.rules.chargebacks.files import COLUMNS, FORMAT_VERSION, columns_of
from cardops.rules.money import AmountProblem, parse_amount


class UnreadableChargebackFileError(ValueError):
    """A chargeback file does not have its format; the message says where."""


@dataclass(frozen=True, slots=True)
class ControlTotals:
    """Rows, money by currency in minor units, and disputes."""

    row_count: int
    totals_minor: Mapping[str, int]
    dispute_count: int = 0


def read_control_totals(content: BinaryIO) -> ControlTotals:
    """Rows and sums of a chargeback file, from its bytes alone, a row at a time."""
    lines = io.TextIOWrapper(content, encoding="utf-8", newline="")
    rows = csv.reader(lines, strict=True)
    try:
        header = tuple(next(rows, ()))
        if header not in {COLUMNS, columns_of(FORMAT_VERSION)}:
            raise UnreadableChargebackFileError("the header is not the header of a chargeback file")
        return _add_up(rows, len(header))
    except (csv.Error, UnicodeDecodeError) as error:
        raise UnreadableChargebackFileError(f"not a chargeback file: {error}") from None
    finally:
        lines.detach()


def _add_up(rows: Iterable[list[str]], width: int) -> ControlTotals:
    at_amount, at_currency = COLUMNS.index("dispute_amount"), COLUMNS.index("dispute_currency")
    at_case, at_network = COLUMNS.index("case_number"), COLUMNS.index("network")
    row_count, totals = 0, dict[str, int]()
    # Rows are sorted by case, so only one case's networks are in memory.
    dispute_count, case, networks = 0, "", set[str]()
    for row_count, row in enumerate(rows, start=1):
        if len(row) != width:
            raise UnreadableChargebackFileError(f"row {row_count} has {len(row)} fields")
        if row[at_case] != case or row[at_network] not in networks:
            networks = {row[at_network], *(networks if row[at_case] == case else ())}
            dispute_count, case = dispute_count + 1, row[at_case]
        currency = row[at_currency]
        # A credit is negative.
        text = row[at_amount]
        amount = parse_amount(text.removeprefix("-"), currency)
        if isinstance(amount, AmountProblem):
            raise UnreadableChargebackFileError(f"row {row_count} has an {amount}")
        signed = -amount if text.startswith("-") else amount
        totals[currency] = totals.get(currency, 0) + signed
    return ControlTotals(row_count, totals, dispute_count)
