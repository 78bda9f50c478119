"""Whether the partitions that a launch or a backfill names are there.

Dagster takes a range that ends before it begins, or a partition that nobody knows, and fails later without
saying which. Belongs here: the sentence that refuses it at once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import dagster as dg
from dagster._core.definitions.partitions.context import partition_loading_context

from orchestration.ui.selections import inputs_of, named_assets

_RANGE_TAGS: Final = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
_PARTITION_TAG: Final = "dagster/partition"


def partition_problem(
    arguments: Mapping[str, Any],
    definitions_of: Mapping[str, Any],
    store: Any,
    assets_of_job: Callable[[str], Sequence[str]] = lambda _name: (),
) -> str | None:
    """What is wrong with the partitions of these arguments; None where nothing is.

    `definitions_of` has the partitions of each asset by its name, `store` those that are added at run time. A job
    that is launched as a whole names no asset: `assets_of_job` does.
    """
    inputs = list(inputs_of(arguments))
    names = [name for found in inputs for name in found.get("partitionNames") or ()]
    if any(_is_empty(found) for found in inputs):
        return "it names no partition. Choose at least one"
    tags = {found["key"]: found.get("value") for found in inputs if "key" in found}
    ranges = [(found["start"], found["end"]) for found in inputs if {"start", "end"} <= set(found)]
    if set(_RANGE_TAGS) <= set(tags):
        ranges.append((tags[_RANGE_TAGS[0]], tags[_RANGE_TAGS[1]]))
    for start, end in ranges:
        if str(start) > str(end):
            return (
                f"its range ends at {end}, before it begins at {start}. Name the earlier one first"
            )
    names += [tags[_PARTITION_TAG]] if tags.get(_PARTITION_TAG) else []
    assets = named_assets(arguments)
    jobs = [str(found["pipelineName"]) for found in inputs if found.get("pipelineName")]
    told = assets or jobs
    assets = assets or [asset for job in jobs for asset in assets_of_job(job)]
    found = [definitions_of[name] for name in assets if definitions_of.get(name) is not None]
    if found and jobs and not names and not ranges:
        return f"{', '.join(told)} has partitions, and it names none. Choose one"
    names += [end for both in ranges for end in both]
    return _unknown(names, found, told, store) if found else None


def _is_empty(found: Mapping[str, Any]) -> bool:
    return bool(found.get("assetSelection")) and found.get("partitionNames") == []


def _unknown(
    names: Sequence[str], definitions: Sequence[Any], assets: Sequence[str], store: Any
) -> str | None:
    for name in dict.fromkeys(names):
        if not any(_has(definition, name, store) for definition in definitions):
            return (
                f"{', '.join(assets)} has no partition {name}. Choose one that the asset's page lists; a batch is there "
                "once its files have arrived"
            )
    return None


def _has(definition: Any, name: str, store: Any) -> bool:
    try:
        with partition_loading_context(dynamic_partitions_store=store):
            return bool(definition.has_partition_key(name))
    except (dg.DagsterError, ValueError):
        return False  # not even the form of one
