"""What a contract no longer accepts that an earlier one did: the changes that need a raised version.

Belongs here: two schemas compared, from the side of somebody who sends files. A new required column
costs a sender his file; a new optional one costs nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from cardops.contracts.published.json_schema import ANNOTATION

Described = Mapping[str, Any]
# Type -> types that accept every value of it.
_WIDER: Final = {
    "instant": ("date", "text"),
    "date": ("text",),
    "id": ("text",),
    "currency": ("text",),
    "choice": ("text",),
    "amount": ("balance", "text"),
    "balance": ("text",),
}


def breaking_changes(old: Described, new: Described) -> list[str]:
    """A sentence for each change by which a file that was valid may be refused, or read otherwise."""
    before, after = old[ANNOTATION], new[ANNOTATION]
    changes = [
        *_removed(before["formats"], after["formats"], "files in the format {} are refused"),
        *_removed(before["reports"], after["reports"], "the report {} is no longer read"),
        *_removed(after["reasons"], before["reasons"], "rows may be quarantined as {}"),
        *_currency_changes(before["currencies"], after["currencies"]),
    ]
    for name, column in before["columns"].items():
        if name in after["columns"]:
            changes += (f"{name}: {change}" for change in _changes(column, after["columns"][name]))
        else:
            changes.append(f"{name}: is no longer read")
    added = after["columns"].keys() - before["columns"].keys()
    changes += (
        f"{name}: is new and required"
        for name in sorted(added)
        if after["columns"][name]["required"]
    )
    return changes


def _changes(old: Described, new: Described) -> Iterator[str]:
    if new["required"] and not old["required"]:
        yield "is required now"
    yield from _removed(old["names"], new["names"], "is no longer called {}")
    if new["type"] != old["type"]:
        if new["type"] not in _WIDER.get(old["type"], ()):
            yield f"must be {new['type']} now, not {old['type']}"
        return
    yield from _removed(old.get("values", ()), new.get("values", ()), "may no longer be {}")
    for name in ("pattern", "currency", "json_form"):
        if name in old and old[name] != new.get(name):
            yield f"has another {name} now, which may refuse what the old one accepted"
    if old.get("may_be_ahead") and not new["may_be_ahead"]:
        yield "may no longer lie in the future"


def _removed(old: Sequence[str], new: Sequence[str], sentence: str) -> Iterator[str]:
    return (sentence.format(name) for name in old if name not in new)


def _currency_changes(old: Mapping[str, int], new: Mapping[str, int]) -> Iterator[str]:
    for code, digits in old.items():
        if code not in new:
            yield f"the currency {code} is refused"
        elif new[code] != digits:
            yield f"{code} has {new[code]} fraction digits now, not {digits}"
