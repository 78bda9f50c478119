"""Requests another delivery run for each chargeback file that is still undelivered.

Belongs here: Dagster's side, which is the cursor, the runs under way and the run requests. Which
files are due is decided in cardops.services.deliveries.retrying.
"""

import json
from collections.abc import Mapping
from typing import Final

import dagster as dg

from assets.batch_partitions import batch_and_network, partition_key_of
from cardops.ports import Breakers, Clock, DeliveryLedger, Destinations, Notifier
from cardops.rules.deliveries.retries import RetryCount
from cardops.services.deliveries.calendars import CutOffService
from cardops.services.deliveries.retrying import FileKey, RetryService
from sensors.delivery import RANGE_START, range_tags
from sensors.intake import BATCHES, UNDER_WAY
from sensors.jobs import Job

MINIMUM_INTERVAL_SECONDS: Final = 30


def undelivered_sensor(delivery_job: Job) -> dg.SensorDefinition:
    """Requests a delivery run of each file that is due."""

    @dg.sensor(
        name="undelivered_chargeback_file_sensor",
        job=delivery_job,
        minimum_interval_seconds=MINIMUM_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Retries undelivered files at growing intervals; an alarm for each missed cut-off."
        ),
    )
    def sensor(
        context: dg.SensorEvaluationContext,
        delivery_ledger: dg.ResourceParam[DeliveryLedger],
        notifier: dg.ResourceParam[Notifier],
        clock: dg.ResourceParam[Clock],
        breakers: dg.ResourceParam[Breakers],
        destinations: dg.ResourceParam[Destinations],
    ) -> dg.SensorResult:
        now = clock.now()
        CutOffService(delivery_ledger, destinations, notifier).alarm_missed(now)
        plan = RetryService(delivery_ledger, notifier, breakers).plan(
            now,
            counts=parse_cursor(context.cursor),
            busy_batches=busy_batches(context.instance),
        )
        # A person may have deleted the partition of a batch; without it no run of it can be made.
        batches = sorted({batch_id for batch_id, _ in plan.to_deliver})
        nothing = f"{plan.undelivered} chargeback files are undelivered; none is due for a retry."
        return dg.SensorResult(
            run_requests=[_request(key, plan.counts[key]) for key in plan.to_deliver],
            dynamic_partitions_requests=(
                [dg.AddDynamicPartitionsRequest(BATCHES, batches)] if batches else []
            ),
            cursor=cursor_text(plan.counts),
            skip_reason=None if plan.to_deliver else dg.SkipReason(nothing),
        )

    return sensor


def busy_batches(instance: dg.DagsterInstance) -> set[str]:
    """Batches on which a delivery run is working or about to."""
    runs = instance.get_runs(dg.RunsFilter(job_name="chargeback_delivery", statuses=UNDER_WAY))
    keys = (run.tags.get(name, "") for run in runs for name in (RANGE_START, "dagster/partition"))
    return {batch_and_network(key)[0] for key in keys if key}


def cursor_text(counts: Mapping[FileKey, RetryCount]) -> str:
    """The counts as the cursor keeps them between ticks, by partition key."""
    stored = {
        str(partition_key_of(*key)): {"count": count.count, "last_at": count.last_at.isoformat()}
        for key, count in counts.items()
    }
    return json.dumps(stored, separators=(",", ":"))


def parse_cursor(cursor: str | None) -> dict[FileKey, RetryCount]:
    """What was remembered; nothing where it cannot be read, which only delays a retry."""
    try:
        return {
            batch_and_network(key): RetryCount.parse(stored["count"], stored["last_at"])
            for key, stored in json.loads(cursor or "{}").items()
        }
    except (ValueError, TypeError, AttributeError, KeyError):
        return {}


def _request(key: FileKey, count: RetryCount) -> dg.RunRequest:
    partition = str(partition_key_of(*key))
    return dg.RunRequest(
        run_key=f"{partition}/{count.last_at.isoformat()}",
        # The file exists already: only its delivery is repeated, and that of no other file.
        asset_selection=[dg.AssetKey("chargeback_deliveries")],
        tags=range_tags(partition, partition),
    )
