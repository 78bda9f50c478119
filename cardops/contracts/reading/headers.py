"""Header names to contract columns: trimmed, in lower case, through aliases.

Belongs here: who gets which column. A name that serves nothing is kept aside and reported.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cardops.contracts.kinds.contract import Contract


@dataclass(frozen=True, slots=True)
class Header:
    """Contract column -> its place in the file, and what was found beside."""

    places: dict[str, int]
    unknown: tuple[str, ...]
    doubled: tuple[str, ...]
    missing: tuple[str, ...]


def normalised(name: str) -> str:
    """As header names are compared."""
    return name.strip(" \t\ufeff").lower()


def resolve(names: Sequence[str], contract: Contract) -> Header:
    """Give each contract column the best name there is for it; each name serves once."""
    found = [normalised(name) for name in names]
    places: dict[str, int] = {}
    doubled = []
    for column in contract.columns:
        spelling = _spelling(column, found, contract, taken=set(places.values()))
        if spelling:
            places[column] = spelling[0]
            if len(spelling) > 1:
                doubled.append(column)
    return Header(
        places=places,
        unknown=tuple(
            dict.fromkeys(
                name.strip()
                for place, name in enumerate(names)
                if place not in places.values() and name.strip()
            )
        ),
        doubled=tuple(doubled),
        missing=tuple(column for column in contract.required if column not in places),
    )


def _spelling(
    column: str, found: Sequence[str], contract: Contract, *, taken: set[int]
) -> list[int]:
    """Places of the best name present: the column's own, else its aliases in order."""
    for name in (column, *contract.aliases.get(column, ())):
        places = [
            place
            for place, text in enumerate(found)
            if place not in taken and text in {name, name.replace("_", "")}
        ]
        if places:
            return places
    return []
