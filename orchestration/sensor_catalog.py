"""The sensors of the code location: those whose jobs are there."""

from collections.abc import Mapping

import dagster as dg

from cardops.rules.intake.files import Kind
from orchestration.jobs import Job
from sensors.delivery import chargeback_delivery_sensor
from sensors.intake import JOBS, arrival_sensor
from sensors.run_failure import run_failure_sensor
from sensors.undelivered import undelivered_sensor


def sensors(jobs: Mapping[str, Job]) -> list[dg.SensorDefinition]:
    """Arrivals by kind, what follows a chargeback batch, and alarms."""
    arrivals = [arrival_sensor(kind) for kind in Kind if JOBS[kind] in jobs]
    follow = (
        [
            chargeback_delivery_sensor(jobs["chargeback_intake"], jobs["chargeback_delivery"]),
            undelivered_sensor(jobs["chargeback_delivery"]),
        ]
        if {"chargeback_intake", "chargeback_delivery"} <= jobs.keys()
        else []
    )
    return [*arrivals, *follow, run_failure_sensor()]
