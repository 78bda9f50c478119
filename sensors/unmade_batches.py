"""Requests a delivery run of each batch whose files were not made, whatever run should have made them.

Belongs here: Dagster's side. A run of a batch that failed for one file says nothing of the rows that its
other files brought; which batches can be made is asked of the intake ledger.
"""

import json
from collections.abc import Mapping
from typing import Final

import dagster as dg

from cardops.ports import Clock, IntakeLedger, Lake
from cardops.rules.deliveries.retries import MAX_RUNS_A_TICK, RetryCount
from cardops.services.chargebacks.waiting_disputes import WaitingDisputes
from sensors.delivery import delivery_request
from sensors.intake import BATCHES
from sensors.jobs import Job
from sensors.undelivered import busy_batches

MINIMUM_INTERVAL_SECONDS: Final = 30


def unmade_batch_sensor(delivery_job: Job) -> dg.SensorDefinition:
    """Requests a delivery run of each batch that is due."""

    @dg.sensor(
        name="unmade_chargeback_batch_sensor",
        job=delivery_job,
        minimum_interval_seconds=MINIMUM_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Makes the files of batches whose own run failed, at growing intervals.",
    )
    def sensor(
        context: dg.SensorEvaluationContext,
        intake_ledger: dg.ResourceParam[IntakeLedger],
        lake: dg.ResourceParam[Lake],
        clock: dg.ResourceParam[Clock],
    ) -> dg.SensorResult:
        now, counts = clock.now(), parse_cursor(context.cursor)
        waiting = WaitingDisputes(intake_ledger, lake).batches_to_make()
        busy = busy_batches(context.instance)
        kept, due = dict[str, RetryCount](), list[str]()
        for batch_id in (batch.batch_id for batch in waiting):
            # First seen, it is left to the run that its intake requests.
            count = counts.get(batch_id, RetryCount(0, now))
            is_due = batch_id not in busy and count.is_due(now) and len(due) < MAX_RUNS_A_TICK
            kept[batch_id] = count.next(now) if is_due else count
            due += [batch_id] if is_due else []
        nothing = f"{len(waiting)} batches have files that were not made; none is due."
        return dg.SensorResult(
            run_requests=[
                delivery_request(batch_id, run_key=f"unmade/{batch_id}/{now.isoformat()}")
                for batch_id in due
            ],
            dynamic_partitions_requests=(
                [dg.AddDynamicPartitionsRequest(BATCHES, due)] if due else []
            ),
            cursor=cursor_text(kept),
            skip_reason=None if due else dg.SkipReason(nothing),
        )

    return sensor


def cursor_text(counts: Mapping[str, RetryCount]) -> str:
    """The counts as the cursor keeps them between ticks, by batch."""
    stored = {name: [count.count, count.last_at.isoformat()] for name, count in counts.items()}
    return json.dumps(stored, separators=(",", ":"))


def parse_cursor(cursor: str | None) -> dict[str, RetryCount]:
    """What was remembered; nothing where it cannot be read, which only delays a run."""
    try:
        return {
            name: RetryCount.parse(count, last_at)
            for name, (count, last_at) in json.loads(cursor or "{}").items()
        }
    except (ValueError, TypeError, AttributeError):
        return {}
