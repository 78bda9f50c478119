"""Counts and sums read back from a chargeback file's own bytes, as a card company would read them.

Belongs here: the reading, which shares no code with the writing, so that it can prove it.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from cardops.rules.chargebacks.files import FORMAT_VERSION, columns_of
from cardops.rules.chargebacks.layouts import REQUIRED, DestinationLayout, standard_layout
from cardops.rules.money import AmountProblem, parse_amount


class UnreadableChargebackFileError(ValueError):
    """A chargeback file does not have its format; the message says where."""


@dataclass(frozen=True, slots=True)
class ControlTotals:
    """Rows, money by currency in minor units, and disputes."""

    row_count: int
    totals_minor: Mapping[str, int]
    dispute_count: int = 0


def read_control_totals(
    content: BinaryIO, layout: DestinationLayout | None = None
) -> ControlTotals:
    """Rows and sums of a chargeback file, from its bytes alone, a row at a time.

    `layout`: the destination's own, which it was written in.
    """
    lines = io.TextIOWrapper(content, encoding="utf-8", newline="")
    try:
        delimiter = layout.delimiter if layout else ","
        rows = csv.reader(lines, strict=True, delimiter=delimiter)
        return _add_up(rows, _standard(rows) if layout is None else _checked(layout, rows))
    except (csv.Error, UnicodeDecodeError) as error:
        raise UnreadableChargebackFileError(f"not a chargeback file: {error}") from None
    finally:
        lines.detach()


def _standard(rows: Iterator[list[str]]) -> DestinationLayout:
    header = tuple(next(rows, ()))
    for version in (FORMAT_VERSION, 1):
        if header == columns_of(version):
            return standard_layout(version)
    raise UnreadableChargebackFileError("the header is not the header of a chargeback file")


def _checked(layout: DestinationLayout, rows: Iterator[list[str]]) -> DestinationLayout:
    if layout.has_header and next(rows, []) != [column.header for column in layout.columns]:
        raise UnreadableChargebackFileError("the header is not the header of the layout")
    return layout


def _add_up(rows: Iterable[list[str]], layout: DestinationLayout) -> ControlTotals:
    at_case, at_amount, at_currency = map(layout.place_of, REQUIRED)
    at_network = layout.place_of("network")
    if at_case is None or at_amount is None or at_currency is None:
        raise UnreadableChargebackFileError("the layout lacks what a file is added up by")
    row_count, totals = 0, dict[str, int]()
    # Rows are sorted by case, so only one case's networks are in memory.
    dispute_count, case, networks = 0, "", set[str]()
    for row_count, row in enumerate(rows, start=1):
        if len(row) != len(layout.columns):
            raise UnreadableChargebackFileError(f"row {row_count} has {len(row)} fields")
        network = "" if at_network is None else row[at_network]
        if row[at_case] != case or network not in networks:
            networks = {network, *(networks if row[at_case] == case else ())}
            dispute_count, case = dispute_count + 1, row[at_case]
        currency = row[at_currency]
        amount = _amount(row[at_amount], currency, layout)
        if isinstance(amount, AmountProblem):
            raise UnreadableChargebackFileError(f"row {row_count} has an {amount}")
        totals[currency] = totals.get(currency, 0) + amount
    return ControlTotals(row_count, totals, dispute_count)


def _amount(text: str, currency: str, layout: DestinationLayout) -> int | AmountProblem:
    """Minor units; a credit is negative."""
    digits = text.removeprefix("-")
    if layout.amounts == "minor":
        is_number = digits.isascii() and digits.isdigit()
        amount = int(digits) if is_number else AmountProblem.INVALID_AMOUNT
    else:
        amount = parse_amount(digits, currency)
    if isinstance(amount, AmountProblem):
        return amount
    return -amount if text.startswith("-") else amount
