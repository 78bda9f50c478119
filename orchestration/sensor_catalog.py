"""The sensors of the code location: those whose jobs are loaded."""

from collections.abc import Mapping

import dagster as dg

from cardops.rules.intake.files import Kind
from sensors.delivery import chargeback_delivery_sensor
from sensors.intake import JOBS, arrival_sensor
from sensors.jobs import AssetJob
from sensors.run_failure import run_failure_sensor
from sensors.undelivered import undelivered_sensor


def sensors(jobs: Mapping[str, AssetJob]) -> list[dg.SensorDefinition]:
    """Arrivals of each kind, deliveries of chargeback batches, and alarms."""
    arrivals = [arrival_sensor(kind) for kind in Kind if JOBS[kind] in jobs]
    deliveries = (
        [
            chargeback_delivery_sensor(jobs["chargeback_intake"], jobs["chargeback_delivery"]),
            undelivered_sensor(jobs["chargeback_delivery"]),
        ]
        if {"chargeback_intake", "chargeback_delivery"} <= jobs.keys()
        else []
    )
    return [*arrivals, *deliveries, run_failure_sensor()]
