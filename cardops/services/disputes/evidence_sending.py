"""Send the evidence of disputes to their card companies, in a batch of its own, beside the lines that ask.

Belongs here: what may be sent, and that what is sent is whole. The batch's files are made and delivered
like those of any other batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cardops.ports import IntakeLedger
from cardops.rules.chargebacks.evidence_files import (
    EvidenceRefusedError,
    RecordedChange,
    current_files,
)
from cardops.rules.chargebacks.evidence_packages import (
    EvidencePackage,
    PackageRequest,
    action_of,
    manifest_text,
    packed_files,
)
from cardops.rules.chargebacks.filing import RowKey
from cardops.rules.chargebacks.queue import (
    MAX_NOTE_CHARACTERS,
    MAX_OWNER_CHARACTERS,
    DisputeStep,
    decision_of,
)
from cardops.services.chargebacks.evidence_archives import stored_content
from cardops.services.disputes.evidence import CaseEvidence, EvidenceService
from cardops.services.disputes.recording import CaseName, check_text


@dataclass(frozen=True, slots=True)
class EvidenceSending:
    """Puts evidence into batches. Asking twice sends once, unless it is to be sent again."""

    evidence: EvidenceService
    intake_ledger: IntakeLedger

    def send(
        self, cases: Sequence[CaseName], *, by: str, why: str = "", is_again: bool = False
    ) -> Sequence[tuple[EvidencePackage, bool]]:
        """The package of each dispute, and whether it is new; new ones are in one new batch.

        `why` must say why evidence is sent that is not complete. Raises DisputeNotFoundError,
        EvidenceRefusedError, EvidenceDamagedError, UnclearRecordError; then nothing is sent.
        """
        check_text("the name", by, MAX_OWNER_CHARACTERS)
        if why:
            check_text("--why", why, MAX_NOTE_CHARACTERS)
        found = [self.evidence.of_case(case) for case in cases]
        self._check_one_program(found)
        requests = [self._request(evidence, by, why) for evidence in found]

        def judge(
            request: PackageRequest,
            packages: Sequence[EvidencePackage],
            changes: Sequence[RecordedChange],
        ) -> EvidencePackage | None:
            _check_unchanged(request, changes)
            return None if is_again else _repeated(request, packages)

        return self.evidence.evidence.send(requests, judge)

    def _request(self, evidence: CaseEvidence, by: str, why: str) -> PackageRequest:
        step, filled = evidence.step, evidence.filled
        case = step.opening.dispute.case_number
        self._check_open(step)
        if not filled.is_complete and not why:
            raise EvidenceRefusedError(
                f"The evidence of {case} is not complete: {', '.join(filled.missing)} missing (`cardops "
                f"disputes evidence {case}` says which of them suffices). Nothing was sent; --why TEXT "
                "sends it as it is."
            )
        row = RowKey(step.intake_id, step.row_number)
        batch_id = self._batch_of(step, row)
        files = packed_files(filled)
        for file in files:
            stored_content(self.evidence.store, file)
        manifest = manifest_text(step, filled, files)
        action = action_of(step)
        return PackageRequest(step.opening, row, batch_id, action, manifest, files, by, why)

    def _check_open(self, step: DisputeStep) -> None:
        """A dispute that is over, here or at the card company, is not answered any more."""
        case = step.opening.dispute.case_number
        if step.is_ended:
            raise EvidenceRefusedError(
                f"Dispute {case} has ended ({step.outcome}), so evidence changes nothing; nothing was "
                "sent."
            )
        records = self.evidence.recording.records.of_dispute(step.opening.dispute)
        decision = decision_of(records, step.opening)
        if decision is not None:
            raise EvidenceRefusedError(
                f"{decision.request.recorded_by} recorded {decision.kind} for dispute {case} on "
                f"{decision.recorded_at:%Y-%m-%d}; nothing was sent. A closed one can be reopened: "
                f"`cardops disputes reopen {case}`."
            )

    def _batch_of(self, step: DisputeStep, row: RowKey) -> str:
        """The batch of the dispute's last row. A row that is held back has nothing to go beside."""
        dispute = step.opening.dispute
        held = {wait.key for wait in self.intake_ledger.held_disputes(dispute.program)}
        if row in held or step.batch_id is None:
            raise EvidenceRefusedError(
                f"Dispute {dispute.case_number} waits and is in no chargeback file, so there is nothing "
                "that evidence could go beside; nothing was sent. `cardops deliveries waiting` says why, "
                f"`cardops deliveries release {dispute.case_number}` sends it."
            )
        return step.batch_id

    @staticmethod
    def _check_one_program(found: Sequence[CaseEvidence]) -> None:
        disputes = [evidence.step.opening.dispute for evidence in found]
        if len({dispute.program for dispute in disputes}) > 1:
            raise EvidenceRefusedError(
                "The disputes are of several programs, whose batches are apart; nothing was sent. Send "
                "those of each program by themselves."
            )
        if len(set(disputes)) < len(disputes):
            raise EvidenceRefusedError("A dispute is named twice; nothing was sent.")


def _check_unchanged(request: PackageRequest, changes: Sequence[RecordedChange]) -> None:
    """What was gathered is still all of it: somebody else may add or remove a file meanwhile."""
    current = {file.sha256 for file in current_files(changes)}
    if current != {file.sha256 for file in request.files}:  # guard: evidence-that-is-current
        raise EvidenceRefusedError(
            f"The evidence of {request.opening.dispute.case_number} was changed by somebody else just "
            "now; nothing was sent. Look at it and send it again."
        )


def _repeated(
    request: PackageRequest, packages: Sequence[EvidencePackage]
) -> EvidencePackage | None:
    last = packages[-1:]
    return last[0] if last and last[0].content == request.content else None
