"""Requests one delivery run for each chargeback batch, once its intake has succeeded."""

from collections.abc import Iterator
from typing import Final

import dagster as dg

from assets.batch_partitions import partition_key_of
from assets.partitions import networks
from assets.refused_files import refusal_check_name
from cardops.contracts.kinds.chargebacks import CHARGEBACKS
from sensors.failed_checks import failed_checks
from sensors.intake import POLL_INTERVAL_SECONDS
from sensors.jobs import Job

# Dagster starts a run that died again; delivery then continues from the state in the ledger.
MAX_RETRIES: Final = "3"
RANGE_START: Final = "dagster/asset_partition_range_start"
RANGE_END: Final = "dagster/asset_partition_range_end"


def chargeback_delivery_sensor(intake_job: Job, delivery_job: Job) -> dg.SensorDefinition:
    """Follows each batch that the intake job ingested with a run of the delivery job."""

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        name="chargeback_delivery_sensor",
        monitored_jobs=[intake_job],
        request_job=delivery_job,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=POLL_INTERVAL_SECONDS,
        description="Makes and delivers the files of each ingested chargeback batch.",
    )
    def sensor(context: dg.RunStatusSensorContext) -> Iterator[dg.RunRequest]:
        batch_id = context.dagster_run.tags["dagster/partition"]
        yield delivery_request(batch_id, run_key=context.dagster_run.run_id)

    return sensor


def refused_batch_delivery_sensor(intake_job: Job, delivery_job: Job) -> dg.SensorDefinition:
    """The same for a batch whose run failed only because a file of it was refused.

    The batch's other files are ingested, and a refused file holds up none of their rows.
    """
    refusals = {refusal_check_name(CHARGEBACKS)}

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.FAILURE,
        name="refused_batch_delivery_sensor",
        monitored_jobs=[intake_job],
        request_job=delivery_job,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=POLL_INTERVAL_SECONDS,
        description="Makes and delivers the files of a batch of which another file was refused.",
    )
    def sensor(context: dg.RunStatusSensorContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        run = context.dagster_run
        if failed_checks(context.instance, run.run_id).keys() != refusals:
            yield dg.SkipReason(f"Run {run.run_id} failed for another reason than a refused file.")
            return
        yield delivery_request(run.tags["dagster/partition"], run_key=run.run_id)

    return sensor


def delivery_tags(batch_id: str) -> dict[str, str]:
    """Tags of the one run over all four networks of a batch."""
    keys = networks.get_partition_keys()
    first, last = (str(partition_key_of(batch_id, network)) for network in (keys[0], keys[-1]))
    return range_tags(first, last)


def range_tags(first: str, last: str) -> dict[str, str]:
    """Tags of one run over a range of partitions, both ends included."""
    return {RANGE_START: first, RANGE_END: last}


def delivery_request(batch_id: str, *, run_key: str) -> dg.RunRequest:
    """One run for the four networks of a batch."""
    return dg.RunRequest(
        run_key=run_key, tags={**delivery_tags(batch_id), "dagster/max_retries": MAX_RETRIES}
    )
