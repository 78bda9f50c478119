"""All that is known of one dispute: its steps, clock, money, files, and what operators recorded."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from cardops.ports import (
    Acknowledgements,
    Clock,
    DeliveryLedger,
    IntakeLedger,
    Lake,
    ObjectStore,
    ProvisionalLedger,
)
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.filing import DisputeWait, WaitReason
from cardops.rules.chargebacks.queue import DisputeRecord, DisputeStep, decision_of, owner_of
from cardops.rules.deliveries.acknowledgements import (
    RejectedLine,
    StoredAcknowledgement,
    standing,
)
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from cardops.rules.intake.objects import ObjectMissingError
from cardops.rules.provisional.records import CreditRecord
from cardops.services.chargebacks.waiting_disputes import WaitingDisputes
from cardops.services.deliveries.members import processed_key
from cardops.services.disputes.evidence import CaseEvidence, EvidenceService
from cardops.services.disputes.recording import CaseName, DisputeRecording


@dataclass(frozen=True, slots=True)
class DisputeFile:
    """A chargeback file with the dispute in it, and what its card company answered.

    `acknowledgement`: of the whole file. `rejected`: its lines of this dispute that were not taken.
    """

    record: ChargebackFileRecord
    acknowledgement: StoredAcknowledgement | None = None
    rejected: Sequence[RejectedLine] = ()

    @property
    def is_verified(self) -> bool:
        """Whether it was read back at the card company."""
        return self.record.state is DeliveryState.DELIVERED


@dataclass(frozen=True, slots=True)
class DisputeHistory:
    """One dispute as of a date. `steps` as they happened; the last one is its state.

    `waits`: why rows of it are in no file, or were not for some time. `credit`: what the user was given
    back, in `credit_currency`.
    """

    as_of: date
    steps: Sequence[DisputeStep]
    records: Sequence[DisputeRecord]
    evidence: CaseEvidence
    files: Sequence[DisputeFile] = ()
    waits: Sequence[DisputeWait] = ()
    credit: CreditRecord | None = None
    credit_currency: str | None = None

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
    """Gathers what the lake, the store and the ledgers have of a dispute."""

    recording: DisputeRecording
    delivery_ledger: DeliveryLedger
    acknowledgements: Acknowledgements
    intake_ledger: IntakeLedger
    provisional_ledger: ProvisionalLedger
    lake: Lake
    processed_store: ObjectStore
    clock: Clock
    evidence: EvidenceService

    def of_case(self, case: CaseName) -> DisputeHistory:
        """Raises DisputeNotFoundError."""
        steps = self.recording.find(case)
        key = steps[-1].opening.dispute
        evidence = self.evidence.evidence_of(steps)
        own = [step.batch_id for step in steps if step.batch_id]
        waits = self._waits(key, own)
        # A row that was held, or that evidence goes with, is in the files of a later batch.
        later = [
            *(wait.released_to for wait in waits if wait.released_to),
            *(package.batch_id for package in evidence.packages),
        ]
        return DisputeHistory(
            self.clock.now().date(),
            steps,
            self.recording.records.of_dispute(key),
            evidence,
            self._files(key, list(dict.fromkeys([*own, *later]))),
            [wait for wait in waits if wait.reason != WaitReason.EVIDENCE],
            self.provisional_ledger.records([key]).get(key),
            self._credit_currency(steps[-1]),
        )

    def _waits(self, key: DisputeKey, batch_ids: Sequence[str]) -> Sequence[DisputeWait]:
        """Those that a person ends, and those of files that are about to be made."""
        held = self.intake_ledger.waits_of(key, batch_ids)
        released = {wait.released_to for wait in held if wait.released_to}
        unfiled = WaitingDisputes(self.intake_ledger, self.lake).unfiled(
            key, {*batch_ids, *released}
        )
        return [
            *held,
            *(DisputeWait(row.batch_id, row.stage, row.reason, row.since) for row in unfiled),
        ]

    def _files(self, key: DisputeKey, batch_ids: Sequence[str]) -> list[DisputeFile]:
        answers = standing(self.acknowledgements.of_batches(batch_ids))
        return [
            self._file(record, key, answers.get((record.batch_id, record.network)))
            for batch_id in batch_ids
            for record in self.delivery_ledger.files_of(batch_id)
            if self._holds(record, key)
        ]

    def _file(
        self, record: ChargebackFileRecord, key: DisputeKey, answer: StoredAcknowledgement | None
    ) -> DisputeFile:
        rejected = (
            self.acknowledgements.rejections(record.batch_id, record.network)
            if answer and answer.rejected_count
            else ()
        )
        own = [
            row.line
            for row in rejected
            if (row.network, row.line.key.case_number) == (key.network, key.case_number)
        ]
        return DisputeFile(record, answer, own)

    def _credit_currency(self, state: DisputeStep) -> str:
        """That of the purchase, to whose account it was posted."""
        transaction_id, program = state.transaction_id, state.opening.dispute.program
        if transaction_id is None:
            return state.currency
        entry = self.provisional_ledger.entries(program, [transaction_id]).get(transaction_id)
        return entry.currency if entry else state.currency

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
