"""After a batch is in, its files are made and delivered: by itself, in one run a batch."""

from collections.abc import Iterator
from typing import Final

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.partitions import networks
from sensors.intake import LOOK_EVERY_SECONDS

# A run that dies is begun again by Dagster; delivery goes on where the ledger says it stands.
RETRIES: Final = "3"
RANGE_START: Final = "dagster/asset_partition_range_start"
RANGE_END: Final = "dagster/asset_partition_range_end"


Job = dg.JobDefinition | UnresolvedAssetJobDefinition


def chargeback_delivery_sensor(intake_job: Job, delivery_job: Job) -> dg.SensorDefinition:
    """Follows each batch that the first job took in with a run of the second."""

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        name="chargeback_delivery_sensor",
        monitored_jobs=[intake_job],
        request_job=delivery_job,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=LOOK_EVERY_SECONDS,
        description="A batch that was taken in is filed and delivered.",
    )
    def sensor(context: dg.RunStatusSensorContext) -> Iterator[dg.RunRequest]:
        batch_id = context.dagster_run.tags["dagster/partition"]
        yield delivery_request(batch_id, run_key=context.dagster_run.run_id)

    return sensor


def delivery_tags(batch_id: str) -> dict[str, str]:
    """Tags of the one run over all four networks of a batch."""
    keys = networks.get_partition_keys()
    return range_tags(str(_key(batch_id, keys[0])), str(_key(batch_id, keys[-1])))


def range_tags(first: str, last: str) -> dict[str, str]:
    """Tags of one run over these partitions and all between."""
    return {RANGE_START: first, RANGE_END: last}


def delivery_request(batch_id: str, *, run_key: str) -> dg.RunRequest:
    """One run for the four networks of a batch."""
    return dg.RunRequest(
        run_key=run_key, tags={**delivery_tags(batch_id), "dagster/max_retries": RETRIES}
    )


def _key(batch_id: str, network: str) -> dg.MultiPartitionKey:
    return dg.MultiPartitionKey({"batch": batch_id, "network": network})
