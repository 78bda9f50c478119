"""The sensors of the code location: those whose jobs are loaded."""

from collections.abc import Mapping

import dagster as dg

from cardops.contracts.kinds.registry import KINDS
from sensors.accepted_disputes import accepted_dispute_sensor
from sensors.alarms import alarm_sensor
from sensors.automation import automation_sensor
from sensors.delivery import chargeback_delivery_sensor, refused_batch_delivery_sensor
from sensors.dispute_deadlines import dispute_deadline_sensor
from sensors.expected_files import expected_file_sensor
from sensors.held_files import held_file_sensor
from sensors.intake import arrival_sensor
from sensors.jobs import AssetJob
from sensors.late_close import late_close_sensor
from sensors.refused_files import refused_file_sensor
from sensors.run_failure import run_failure_sensor
from sensors.unclaimed_files import unclaimed_file_sensors
from sensors.undelivered import undelivered_sensor
from sensors.unmade_batches import unmade_batch_sensor
from sensors.waiting_rows import waiting_rows_sensor
from sensors.watermark_age import watermark_age_sensor


def sensors(jobs: Mapping[str, AssetJob]) -> list[dg.SensorDefinition]:
    """Arrivals of each kind, deliveries of chargeback batches, and alarms."""
    arrivals = [arrival_sensor(profile) for profile in KINDS.values() if profile.job_name in jobs]
    deliveries = (
        [
            chargeback_delivery_sensor(jobs["chargeback_intake"], jobs["chargeback_delivery"]),
            refused_batch_delivery_sensor(jobs["chargeback_intake"], jobs["chargeback_delivery"]),
            unmade_batch_sensor(jobs["chargeback_delivery"]),
            accepted_dispute_sensor(),
            undelivered_sensor(jobs["chargeback_delivery"]),
        ]
        if {"chargeback_intake", "chargeback_delivery"} <= jobs.keys()
        else []
    )
    return [
        *arrivals,
        *deliveries,
        dispute_deadline_sensor(),
        expected_file_sensor(),
        held_file_sensor(),
        refused_file_sensor(),
        waiting_rows_sensor(),
        run_failure_sensor(),
        alarm_sensor(),
        automation_sensor(),
        late_close_sensor(),
        watermark_age_sensor(),
        *unclaimed_file_sensors(),
    ]
