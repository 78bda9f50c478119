"""The sensor of accepted disputes puts them into a batch, and requests no run."""

from pathlib import Path

import dagster as dg

from cardops.rules.chargebacks.queue import RecordKind
from cardops.services.disputes.recording import CaseName
from sensors.accepted_disputes import accepted_dispute_sensor
from tests.factories.evidence_desk import SECOND, EvidenceDesk


def test_sensor_sends_acceptances_once(tmp_path: Path) -> None:
    world = EvidenceDesk(tmp_path).world
    world.recording.record(CaseName("c1"), RecordKind.ACCEPT, by="ann", text="never sent")
    sensor = accepted_dispute_sensor()
    context = dg.build_sensor_context(
        definitions=dg.Definitions(sensors=[sensor]),
        sensor_name=sensor.name,
        resources={
            "disputes": world.recording.disputes,
            "dispute_records": world.records,
            "dispute_evidence": world.evidence,
            "intake_ledger": world.intake.intake_ledger,
            "clock": world.intake.clock,
        },
    )

    first, second = (sensor.evaluate_tick(context) for _ in range(2))

    assert first.run_requests == []
    assert first.skip_message == f"Acceptances sent: 1 in {SECOND}."
    assert second.skip_message == "Acceptances sent: 0."
