"""Rows that are valid under a contract, in every form that it allows: the files a promise is held to.

Belongs here: rows made from a schema. Once published they are kept, whatever is made later.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice
from typing import Any, Final

from cardops.contracts.published.json_schema import ANNOTATION

Row = dict[str, Any]
_INSTANTS: Final = (
    "2026-01-05T10:00:00Z",
    "2026-01-05T10:00:00+05:30",
    "2026-01-05 10:00:00",
    "2026-01-05t10:00z",
    "2026-01-05T10:00:00.123456789-0800",
)
_VALUES: Final[Mapping[str, Sequence[Any]]] = {
    "amount": ("25.00", "25", "0025.5", "1", "90071992547409.91", 25),
    "currency": ("USD", "EUR"),
    "instant": _INSTANTS,
    "date": ("2026-01-05", *_INSTANTS),
    "text": ("text", "Ünïcödé, with a comma", 17),
}
# Text that means something to the kind's own judge.
_MEANINGS: Final[Mapping[str, Sequence[Any]]] = {
    "card_network": ("visa", "Mastercard", "American Express", "DISCOVER"),
    "stage": ("chargeback", "pre_arbitration"),
    "items": ("[]", [{"product_id": "p", "quantity": 2, "unit_price": 12.5}]),
    "payment_method": ("card", {"type": "card", "provider": "Visa"}),
    # With the samples' amounts and directions, a statement of one entry adds up.
    "opening_balance": ("0", "0.00", "-0"),
    "closing_balance": ("25.00", "-25", "25.5", "-1.00", "90071992547409.91", "-25"),
    "card_number": ("****1234", "411111******1111"),
}
# What a row of few columns needs beside the required ones: without them it waits for another row.
_ALSO_NEEDED: Final = {
    "chargebacks": ("currency", "card_network"),
    "bank_statements": ("entry_id", "amount", "direction"),
    # A report names its payment.
    "fraud_reports": ("transaction_id", "card_network"),
}


def sample_rows(schema: Mapping[str, Any]) -> list[Row]:
    """Rows with all columns, in all their forms and under all their names, and rows with the fewest."""
    contract = schema[ANNOTATION]
    columns: Mapping[str, Any] = contract["columns"]
    rounds = max(len(_values(name, column)) for name, column in columns.items())
    few = [
        name
        for name, column in columns.items()
        if column["required"] or name in _ALSO_NEEDED.get(contract["kind"], ())
    ]
    forms = max(len(column["names"]) for column in columns.values())
    return [*_rows(columns, list(columns), rounds), *_rows(columns, few, forms, first=rounds)]


def as_ndjson(rows: Sequence[Row]) -> str:
    """One object a line."""
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def as_csv(schema: Mapping[str, Any]) -> str:
    """The rows with all columns under the columns' own names; ids are others than in the NDJSON."""
    columns: Mapping[str, Any] = schema[ANNOTATION]["columns"]
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(columns)
    for number in range(len(_INSTANTS)):
        row = (_value(name, column, number, mark="csv") for name, column in columns.items())
        writer.writerow(cell if isinstance(cell, str) else json.dumps(cell) for cell in row)
    return target.getvalue()


def _rows(
    columns: Mapping[str, Any], names: Sequence[str], count: int, *, first: int = 0
) -> Iterator[Row]:
    for number in range(first, first + count):
        taken: dict[str, None] = {}
        for name in names:
            # A name that serves two columns is the first one's.
            forms = [form for form in columns[name]["names"] if form not in taken]
            taken[forms[(number - first) % len(forms)]] = None
        yield {
            form: _value(name, columns[name], number, mark="json")
            for form, name in zip(taken, names, strict=True)
        }


def _value(name: str, column: Mapping[str, Any], number: int, *, mark: str) -> Any:
    if column["type"] == "id":
        return f"{mark}.{name[:20]}:{number}-{'x' * 64}"[: 64 if number else 30]
    return next(islice(cycle(_values(name, column)), number, None))


def _values(name: str, column: Mapping[str, Any]) -> Sequence[Any]:
    if column["type"] == "id":
        return ("",)
    return _MEANINGS.get(name) or column.get("values") or _VALUES[column["type"]]
