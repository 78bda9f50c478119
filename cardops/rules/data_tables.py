"""Reads the dated tables under `data/`: facts of the card networks as data, not code.

Belongs here: reading and validity dates. A table's meaning is in the module that uses it.
"""

import csv
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib import resources


@cache
def read_table(name: str) -> tuple[Mapping[str, str], ...]:
    """The rows of `data/<name>.csv`, read once per process."""
    path = resources.files("cardops.rules").joinpath("data", f"{name}.csv")
    return tuple(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def is_valid_on(row: Mapping[str, str], on: date | None) -> bool:
    """Whether the row is valid on that date; without a date, whether its validity is open-ended.

    An empty `valid_from` means since ever; an empty `valid_to` (inclusive) means without end.
    """
    if on is None:
        return not row.get("valid_to")
    starts = row.get("valid_from") or "0001-01-01"
    ends = row.get("valid_to") or "9999-12-31"
    return starts <= on.isoformat() <= ends
