"""What chargeback files of a simulated day must say of their lines: columns that were filled, flags.

Belongs here: what each row lacks and who in the day knows it, without reading any chargeback file.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cardops.rules.intake.files import Kind, RowFlag
from simulation.dispute_rows import (
    dispute_key,
    grouped,
    is_accepted,
    is_at_once,
    is_released,
    stage_key,
)
from simulation.rows import InputFile, Row

Json = dict[str, Any]
# Column of a row -> columns of a chargeback file that it says.
_SAYS: Final = {
    "arn": ("arn",),
    "merchant_id": ("merchant_id",),
    "merchant_name": ("merchant_name",),
    "transaction_date": ("transaction_date",),
    "transaction_amount": ("transaction_amount", "transaction_currency"),
}
_CARD: Final = ("card_bin", "card_last4")
# Only the payment itself says how much it was: another dispute may be in another currency.
_OF_PAYMENT: Final = frozenset({"transaction_amount", "transaction_currency"})
_FLAGS: Final = (RowFlag.REFUNDED_ALREADY, RowFlag.FAILED_PAYMENT)


def filed_truth(files: Sequence[InputFile], sent_again: Iterable[Row]) -> Json:
    """By card company, lines with filled columns and how often each column was; lines by flag.

    `sent_again`: lines that are in a second file, because the first was rejected.
    """
    day = _Day(files)
    lines = [
        rows[-1]
        for belongs in (is_at_once, is_released)
        for rows in grouped(files, belongs, stage_key)
    ]
    found: dict[str, Json] = {}
    flags = Counter[str]()
    for line in (*lines, *sent_again):
        filled = day.filled(line)
        network = found.setdefault(line.network, {"lines": 0, "columns": Counter[str]()})
        network["lines"] += bool(filled)
        network["columns"].update(filled)
        flags.update(str(flag) for flag in _FLAGS if flag in line.flags)
        flags["duplicate_case"] += day.is_duplicate(line)
    return {
        "networks": {
            network: {**figures, "columns": dict(sorted(figures["columns"].items()))}
            for network, figures in sorted(found.items())
        },
        "flags": {flag: count for flag, count in sorted(flags.items()) if count},
    }


@dataclass(slots=True)
class _Day:
    """What rows of the day say, by payment and by dispute; and which cases are about the same money."""

    files: Sequence[InputFile]
    _own: dict[int, frozenset[str]] = field(default_factory=dict)
    _paid: dict[str, tuple[frozenset[str], Row]] = field(default_factory=dict)
    _told: dict[tuple[str, ...], set[str]] = field(default_factory=lambda: defaultdict(set))
    _dispute: dict[int, tuple[str, ...]] = field(default_factory=dict)
    _cases: dict[tuple[object, ...], list[tuple[str, ...]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def __post_init__(self) -> None:
        for file in self.files:
            for row in filter(is_accepted, file.rows):
                if file.kind == Kind("transactions"):
                    self._add_payment(file, row)
                elif file.kind == Kind("chargebacks"):
                    self._add_row(file, row)

    def filled(self, line: Row) -> frozenset[str]:
        """Columns that the line lacks and the day knows."""
        transaction = str(line.cells["transaction_id"])
        of_payment, _ = self._paid.get(transaction, (frozenset[str](), line))
        told = self._told[self._dispute[id(line)]] | self._told[transaction,]
        return (of_payment | (told - _OF_PAYMENT)) - self._own[id(line)]

    def is_duplicate(self, line: Row) -> bool:
        """Whether another case disputed the same money before, which the payment has no room for twice."""
        cases = self._cases[_money(line)]
        _, paid = self._paid.get(str(line.cells["transaction_id"]), (frozenset[str](), None))
        has_room = (
            paid is not None
            and paid.currency == line.currency
            and len(cases) * line.amount_minor <= paid.amount_minor
        )
        return self._dispute[id(line)] != cases[0] and not has_room

    def _add_payment(self, file: InputFile, row: Row) -> None:
        says = {"transaction_date", *_OF_PAYMENT}
        says |= {"merchant_id"} & set(_present(file, row))
        if "card_number" in _present(file, row):
            says |= set(_CARD)
        self._paid[str(row.cells["transaction_id"])] = frozenset(says), row

    def _add_row(self, file: InputFile, row: Row) -> None:
        present = _present(file, row)
        says = {name for column, names in _SAYS.items() if column in present for name in names}
        if "card_number" in present:
            # A row that masks all but the last four says nothing of the rest.
            says |= {"card_last4"} if str(row.cells["card_number"]).startswith("*") else set(_CARD)
        if RowFlag.DAMAGED_VALUE in row.flags:
            says -= {"arn"}
        dispute = dispute_key(file, row)
        self._own[id(row)], self._dispute[id(row)] = frozenset(says), dispute
        for key in (dispute, (str(row.cells["transaction_id"]),)):
            self._told[key] |= says
        cases = self._cases[_money(row)]
        if dispute not in cases:
            cases.append(dispute)


def _present(file: InputFile, row: Row) -> Mapping[str, object]:
    return {name: row.cells[name] for name in file.columns if row.cells.get(name)}


def _money(row: Row) -> tuple[object, ...]:
    return row.cells["transaction_id"], row.amount_minor, row.currency
