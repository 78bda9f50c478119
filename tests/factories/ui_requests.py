"""Requests as the pages of the Dagster UI send them."""

from collections.abc import Mapping
from typing import Any

LOCATION = "small"
REPOSITORY = {"repositoryLocationName": LOCATION, "repositoryName": "__repository__"}
LAUNCH = """
mutation LaunchPipelineExecution($executionParams: ExecutionParams!) {
  launchPipelineExecution(executionParams: $executionParams) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}"""
BACKFILL = """
mutation LaunchPartitionBackfill($backfillParams: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $backfillParams) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}"""
START_SENSOR = """
mutation StartSensor($sensorSelector: SensorSelector!) {
  startSensor(sensorSelector: $sensorSelector) {
    __typename
    ... on Sensor { id sensorState { id } }
  }
}"""
STOP_SENSOR = "mutation StopSensor($id: String) { stopSensor(id: $id) { __typename } }"
REPORT = """
mutation ReportEvents($eventParams: ReportRunlessAssetEventsParams!) {
  reportRunlessAssetEvents(eventParams: $eventParams) { __typename }
}"""
RUNS = "query Runs { runsOrError { ... on Runs { results { runId tags { key value } } } } }"
TELEMETRY = """
mutation LogTelemetry($action: String!, $time: String!, $metadata: String!) {
  logTelemetry(action: $action, clientTime: $time, clientId: "c", metadata: $metadata) { __typename }
}"""


def launch(*assets: str, **tags: str) -> dict[str, Any]:
    """Assets by their own page."""
    selection = [{"path": [asset]} for asset in assets or ("whole",)]
    return _launch({"pipelineName": "__ASSET_JOB", "assetSelection": selection}, tags)


def launch_job(name: str, **tags: str) -> dict[str, Any]:
    """A job as a whole."""
    return _launch({"pipelineName": name}, tags)


def _launch(selected: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    selector = {**REPOSITORY, **selected}
    params = {
        "mode": "default",
        "runConfigData": "{}",
        "selector": selector,
        "executionMetadata": {
            "tags": [
                {"key": name.replace("__", "/"), "value": value} for name, value in tags.items()
            ]
        },
    }
    return body(LAUNCH, executionParams=params)


def backfill(*partitions: str) -> dict[str, Any]:
    """Days of the daily asset."""
    return backfill_of("daily", *partitions)


def backfill_of(asset: str, *partitions: str) -> dict[str, Any]:
    """Partitions of an asset, in this order."""
    params = {"assetSelection": [{"path": [asset]}], "partitionNames": list(partitions)}
    return body(BACKFILL, backfillParams=params)


def backfill_from(start: str, end: str) -> dict[str, Any]:
    """A range of the daily asset."""
    chosen = {
        "assetKey": {"path": ["daily"]},
        "partitions": {"range": {"start": start, "end": end}},
    }
    return body(BACKFILL, backfillParams={"partitionsByAssets": [chosen]})


def report(asset: str = "whole") -> dict[str, Any]:
    """That the asset was made elsewhere."""
    params = {"eventType": "ASSET_MATERIALIZATION", "assetKey": {"path": [asset]}}
    return body(REPORT, eventParams=params)


def start_sensor() -> dict[str, Any]:
    """The only one there is."""
    return body(START_SENSOR, sensorSelector={**REPOSITORY, "sensorName": "whole_sensor"})


def body(query: str, **variables: Any) -> dict[str, Any]:
    """What is posted to /graphql."""
    return {"query": query, "variables": variables}


def answer(response: Mapping[str, Any]) -> Mapping[str, Any]:
    """The only field of what a mutation answered."""
    (found,) = response["data"].values()
    return dict(found)
