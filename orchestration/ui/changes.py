"""What a mutation of the Dagster UI changes, in the words of the audit trail.

Belongs here: names in, words out. The server that asks is orchestration.ui.webserver.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Final

# Of these nothing is changed that anybody could ask for later.
UNRECORDED: Final = frozenset({"logTelemetry", "setNuxSeen"})
ACTIONS: Final[Mapping[str, str]] = {
    "launchRun": "launch run",
    "launchPipelineExecution": "launch run",
    "launchMultipleRuns": "launch run",
    "launchRunReexecution": "launch run again",
    "launchPipelineReexecution": "launch run again",
    "launchPartitionBackfill": "backfill",
    "resumePartitionBackfill": "resume backfill",
    "reexecutePartitionBackfill": "backfill again",
    "cancelPartitionBackfill": "cancel backfill",
    "terminateRun": "terminate run",
    "terminateRuns": "terminate run",
    "terminatePipelineExecution": "terminate run",
    "deleteRun": "delete run",
    "deletePipelineRun": "delete run",
    "wipeAssets": "wipe asset",
    "reportRunlessAssetEvents": "report asset",
    "reportAssetCheckEvaluations": "report check",
    "startSensor": "start sensor",
    "stopSensor": "stop sensor",
    "resetSensor": "reset sensor",
    "setSensorCursor": "set sensor cursor",
    "sensorDryRun": "try sensor",
    "startSchedule": "start schedule",
    "stopRunningSchedule": "stop schedule",
    "resetSchedule": "reset schedule",
    "scheduleDryRun": "try schedule",
    "addDynamicPartition": "add partition",
    "deleteDynamicPartitions": "delete partition",
    "setAutoMaterializePaused": "pause automation",
    "setConcurrencyLimit": "set concurrency limit",
    "deleteConcurrencyLimit": "delete concurrency limit",
    "freeConcurrencySlots": "free concurrency slots",
    "freeConcurrencySlotsForRun": "free concurrency slots",
    "reloadRepositoryLocation": "reload definitions",
    "reloadWorkspace": "reload definitions",
    "shutdownRepositoryLocation": "stop code server",
}
# The arguments that name what is changed. Run configuration is none of them.
_SUBJECTS: Final[Mapping[str, str]] = {
    "runId": "run",
    "runIds": "run",
    "parentRunId": "run",
    "backfillId": "backfill",
    "jobName": "job",
    "pipelineName": "job",
    "partitionSetName": "job",
    "path": "asset",
    "checkName": "check",
    "partitionNames": "partition",
    "partitionKeys": "partition",
    "partitionKey": "partition",
    "partitionsDefName": "partitions of",
    "start": "from partition",
    "end": "to partition",
    "sensorName": "sensor",
    "scheduleName": "schedule",
    "concurrencyKey": "pool",
    "limit": "limit",
    "paused": "paused",
    "eventType": "event",
    "repositoryLocationName": "location",
}
_PARTITION_TAGS: Final[Mapping[str, str]] = {
    "dagster/partition": "partition",
    "dagster/asset_partition_range_start": "from partition",
    "dagster/asset_partition_range_end": "to partition",
}
# More of one thing are told by the first, the last and their number.
MAX_NAMED: Final = 4
# What Dagster calls the job of an asset that was launched by itself.
_IMPLICIT: Final = "__"


def action_of(mutation: str) -> str:
    """The standard word; of a mutation that a later Dagster brings, its own name in words."""
    words = re.sub("([A-Z])", r" \1", mutation).lower()
    return ACTIONS.get(mutation, words)


def subject_of(arguments: Mapping[str, Any]) -> str:
    """Run, job, assets, partitions, sensor: as far as the arguments name them."""
    named: dict[str, dict[str, None]] = {}
    for kind, name in _names(arguments):
        named.setdefault(kind, {})[name] = None
    if len(named) > 1:
        named.pop("location", None)
    order = list(dict.fromkeys(_SUBJECTS.values()))
    return ", ".join(
        f"{kind} {_listed(list(named[kind]))}" for kind in sorted(named, key=order.index)
    )


def _listed(names: Sequence[str]) -> str:
    if len(names) <= MAX_NAMED:
        return " ".join(names)
    return f"{names[0]} to {names[-1]} ({len(names)})"


def _names(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        if value.get("key") in _PARTITION_TAGS:
            yield _PARTITION_TAGS[value["key"]], str(value.get("value"))
        for name, inner in value.items():
            yield from _names(inner, name)
    elif key == "path" and isinstance(value, list):
        yield "asset", "/".join(map(str, value))
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner, key)
    elif key in _SUBJECTS and value is not None:
        yield from _named(_SUBJECTS[key], value)


def _named(kind: str, value: Any) -> Iterator[tuple[str, str]]:
    name = str(value.name if isinstance(value, Enum) else value)
    if not name.startswith(_IMPLICIT):
        yield kind, name
