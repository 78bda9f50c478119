"""Rows that must be quarantined: one or two bad values in an otherwise good row.

Belongs here: which value causes which reason, for every kind. Each value breaks exactly one rule of
docs/file-formats.md, so the expected reasons are certain.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Final

from cardops.rules.intake.files import RowReason
from simulation.rows import NOT_UTF8, Row

Spoil = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Roles:
    """Which column of a kind each bad value goes into; `key` keeps a row from being a repeat."""

    key: str
    id: str
    amount: str
    at: str
    text: str
    status: str = "status"


# (role, value); `{n}` makes ids differ. Used in turn, so a big day has all of them.
_SPOILS: Final[Mapping[RowReason, Sequence[Spoil]]] = {
    RowReason.MISSING_FIELD: (("amount", ""), ("at", ""), ("id", ""), ("amount", "  ")),
    RowReason.INVALID_ID: (
        ("id", "has space {n}"),
        ("id", ".."),
        ("id", "much-too-long-" + "x" * 60),
        ("id", "slash/{n}"),
        ("id", "dépôt-{n}"),
    ),
    RowReason.INVALID_AMOUNT: (
        ("amount", "+25"),
        ("amount", "1e3"),
        ("amount", "1,250.00"),
        ("amount", "$25.00"),
        ("amount", "NaN"),
        ("amount", "٢٥.٠٠"),  # noqa: RUF001 - digits, but not ASCII ones
        ("amount", "12.5O"),
    ),
    RowReason.NON_POSITIVE_AMOUNT: (("amount", "-25.00"), ("amount", "0"), ("amount", "0.00")),
    RowReason.TOO_MANY_FRACTION_DIGITS: (("amount", "25.0051"), ("amount", "0.00001")),
    RowReason.AMOUNT_OUT_OF_RANGE: (
        ("amount", "99999999999999999"),
        ("amount", "9" * 40),
    ),
    RowReason.UNKNOWN_CURRENCY: (("currency", "ZZZ"), ("currency", "usd"), ("currency", "US$")),
    RowReason.INVALID_TIMESTAMP: (
        ("at", "yesterday"),
        ("at", "2026-13-45T00:00:00Z"),
        ("at", "31/10/2026 12:00"),
    ),
    RowReason.FUTURE_TIMESTAMP: (("at", "2099-01-01T00:00:00Z"),),
    RowReason.INVALID_STATUS: (("status", "teleported"), ("status", "COMPLETED?")),
}
# Reasons that are possible with the typed columns of a Parquet file, with values they can hold.
_TYPED_SPOILS: Final[Mapping[RowReason, Sequence[Spoil]]] = {
    RowReason.MISSING_FIELD: (("amount", ""), ("id", "")),
    RowReason.INVALID_ID: _SPOILS[RowReason.INVALID_ID],
    RowReason.NON_POSITIVE_AMOUNT: _SPOILS[RowReason.NON_POSITIVE_AMOUNT],
    RowReason.UNKNOWN_CURRENCY: _SPOILS[RowReason.UNKNOWN_CURRENCY],
    RowReason.FUTURE_TIMESTAMP: _SPOILS[RowReason.FUTURE_TIMESTAMP],
}
VALUE_REASONS: Final = tuple(_SPOILS)
TYPED_REASONS: Final = tuple(_TYPED_SPOILS)
LINE_REASONS: Final = (RowReason.MALFORMED_ROW, RowReason.BAD_ENCODING)
# Two things wrong with one row: counted once in quarantined, once under each reason.
_PAIRS: Final = (
    (RowReason.INVALID_AMOUNT, RowReason.INVALID_TIMESTAMP),
    (RowReason.INVALID_ID, RowReason.NON_POSITIVE_AMOUNT),
)


def rows_with_bad_values(
    make_good: Callable[[int], Row],
    roles: Roles,
    reasons: Iterable[RowReason],
    count: int,
    *,
    is_typed: bool = False,
) -> list[Row]:
    """`count` rows for each reason, made from good rows that occur nowhere else."""
    spoils = _TYPED_SPOILS if is_typed else _SPOILS
    made: list[Row] = []
    for reason in reasons:
        for spoil, number in zip(cycle(spoils[reason]), range(count), strict=False):
            row = make_good(len(made))
            _spoil(row, roles, spoil, number)
            made.append(row.quarantined(reason))
    return made


def rows_with_two_reasons(make_good: Callable[[int], Row], roles: Roles) -> list[Row]:
    """Rows with two reasons each."""
    made = []
    for number, pair in enumerate(_PAIRS):
        row = make_good(number)
        for reason in pair:
            _spoil(row, roles, _SPOILS[reason][0], number)
        made.append(row.quarantined(*pair))
    return made


def damaged_rows(make_good: Callable[[int], Row], roles: Roles, count: int) -> list[Row]:
    """Lines with too many or too few parts, and lines with a byte that is not UTF-8."""
    made = []
    for number in range(count):
        row = make_good(2 * number)
        row.is_malformed = True
        made.append(row.quarantined(RowReason.MALFORMED_ROW))
        row = make_good(2 * number + 1)
        row.cells[roles.text] = f"{row.cells[roles.text]}{NOT_UTF8}"
        made.append(row.quarantined(RowReason.BAD_ENCODING))
    return made


def _spoil(row: Row, roles: Roles, spoil: Spoil, number: int) -> None:
    role, value = spoil
    column = "currency" if role == "currency" else str(getattr(roles, role))
    row.cells[column] = value.format(n=f"{number}") if role == "id" else value
