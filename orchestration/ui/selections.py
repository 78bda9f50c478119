"""Which assets a launch or a backfill names, and whether all are there that are made together.

Dagster's pages add the others of a step by themselves; a program that names one of them gets an error of Dagster's
inside. Belongs here: the sentence that refuses it.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any


def selection_problem(
    arguments: Mapping[str, Any], together: Mapping[str, Collection[str]]
) -> str | None:
    """What is missing in the selection of these arguments; None where nothing is.

    `together` has, for each asset by its name, those that one step makes with it, and itself.
    """
    selected = list(_selected(arguments))
    for name in selected:
        missing = sorted(set(together.get(name, ())) - set(selected))
        if missing:
            return f"one step makes {name} together with {', '.join(missing)}. Select all of them"
    return None


def named_assets(arguments: Mapping[str, Any]) -> list[str]:
    """The names of the assets among the arguments, in their order; also those of which only checks are selected."""
    return [_name(found) for found in inputs_of(arguments) if "path" in found]


def inputs_of(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every input object among the arguments."""
    if isinstance(value, Mapping):
        yield value
        for inner in value.values():
            yield from inputs_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from inputs_of(inner)


def _selected(arguments: Mapping[str, Any]) -> Iterator[str]:
    for found in inputs_of(arguments):
        yield from map(_name, found.get("assetSelection") or ())
        yield from (_name(entry["assetKey"]) for entry in found.get("partitionsByAssets") or ())


def _name(key: Mapping[str, Any]) -> str:
    return "/".join(key["path"])
