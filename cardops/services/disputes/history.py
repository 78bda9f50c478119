"""All that is known of one dispute: its steps, clock, money, files, and what operators recorded."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from cardops.ports import Clock, DeliveryLedger, IntakeLedger, ObjectStore
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.queue import DisputeRecord, DisputeStep, decision_of, owner_of
from cardops.rules.deliveries.records import ChargebackFileRecord
from cardops.rules.intake.objects import ObjectMissingError
from cardops.services.deliveries.members import processed_key
from cardops.services.disputes.evidence import CaseEvidence, EvidenceService
from cardops.services.disputes.recording import CaseName, DisputeRecording


@dataclass(frozen=True, slots=True)
class DisputeHistory:
    """One dispute as of a date. `steps` as they happened; the last one is its state."""

    as_of: date
    steps: Sequence[DisputeStep]
    records: Sequence[DisputeRecord]
    files: Sequence[ChargebackFileRecord]
    evidence: CaseEvidence

    @property
    def key(self) -> DisputeKey:
        """Program, network and case."""
        return self.state.opening.dispute

    @property
    def state(self) -> DisputeStep:
        """The last step."""
        return self.steps[-1]

    @property
    def days_left(self) -> int | None:
        """Until the last day for an answer; negative where it has passed, None where nobody says it."""
        due = self.state.reply_by_on
        return None if due is None else (due - self.as_of).days

    @property
    def owner(self) -> str | None:
        """Who works on it."""
        return owner_of(self.records)

    @property
    def decision(self) -> DisputeRecord | None:
        """That it was accepted or closed here, if it was, since it was opened last."""
        return decision_of(self.records, self.state.opening)


@dataclass(frozen=True, slots=True)
class DisputeHistories:
    """Gathers what the lake, the store and the delivery ledger have of a dispute."""

    recording: DisputeRecording
    intake_ledger: IntakeLedger
    delivery_ledger: DeliveryLedger
    processed_store: ObjectStore
    clock: Clock
    evidence: EvidenceService

    def of_case(self, case: CaseName) -> DisputeHistory:
        """Raises DisputeNotFoundError."""
        steps = self.recording.find(case)
        key = steps[-1].opening.dispute
        # A row that was held is in the files of the batch into which it was released.
        released = self.intake_ledger.dispute_releases(key.program, [key.case_number])
        batches = dict.fromkeys(
            [
                *(step.batch_id for step in steps if step.batch_id),
                *(release.batch_id for release in released if release.network == key.network),
            ]
        )
        files = [
            record
            for batch_id in batches
            for record in self.delivery_ledger.files_of(batch_id)
            if self._holds(record, key)
        ]
        return DisputeHistory(
            self.clock.now().date(),
            steps,
            self.recording.records.of_dispute(key),
            files,
            self.evidence.evidence_of(steps),
        )

    def _holds(self, record: ChargebackFileRecord, key: DisputeKey) -> bool:
        """Whether the dispute is in that file of its batch: a row may be held back from it.

        Layouts differ in separator and quotes. A file that cannot be read says nothing.
        """
        if record.destination == record.network != key.network:
            return False
        case = re.escape(key.case_number.encode())
        field = re.compile(rb"(?:^|[\",;|\t])" + case + rb"(?:$|[\",;|\t\r\n])")
        try:
            with self.processed_store.open(
                processed_key(record.batch_id, record.file_name)
            ) as file:
                return any(field.search(line) for line in file)
        except ObjectMissingError:
            return False
