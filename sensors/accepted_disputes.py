"""Tells card companies of disputes that people accepted."""

from typing import Final

import dagster as dg

from cardops.ports import Clock, DisputeEvidence, DisputeRecords, Disputes, IntakeLedger
from cardops.services.disputes.acceptances import Acceptances
from cardops.services.disputes.recording import DisputeRecording

MINIMUM_INTERVAL_SECONDS: Final = 900


def accepted_dispute_sensor() -> dg.SensorDefinition:
    """Looks for acceptances that are in no batch. It requests no runs: the sensor of unmade batches does."""

    @dg.sensor(
        name="accepted_dispute_sensor",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=MINIMUM_INTERVAL_SECONDS,
        description="Puts accepted disputes that no card company was told of into one new batch a program.",
    )
    def sensor(
        disputes: dg.ResourceParam[Disputes],
        dispute_records: dg.ResourceParam[DisputeRecords],
        dispute_evidence: dg.ResourceParam[DisputeEvidence],
        intake_ledger: dg.ResourceParam[IntakeLedger],
        clock: dg.ResourceParam[Clock],
    ) -> dg.SkipReason:
        recording = DisputeRecording(disputes, dispute_records)
        found = Acceptances(recording, dispute_evidence, intake_ledger, clock).send()
        batches = ", ".join(dict.fromkeys(package.batch_id for package in found.sent))
        text = f"Acceptances sent: {len(found.sent)}"
        return dg.SkipReason(f"{text} in {batches}." if batches else f"{text}.")

    return sensor
