"""Tell card companies which disputes were accepted here, by lines of a batch of its own.

Belongs here: which acceptances nobody was told of yet. That a dispute may be accepted is decided where it is
recorded; the batch's files are made and delivered like those of any other batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Final

from cardops.ports import Clock, DisputeEvidence, IntakeLedger
from cardops.rules.chargebacks.evidence_files import RecordedChange
from cardops.rules.chargebacks.evidence_packages import EvidencePackage, PackageRequest
from cardops.rules.chargebacks.files import Action
from cardops.rules.chargebacks.filing import RowKey
from cardops.rules.chargebacks.queue import DisputeRecord, DisputeStep, RecordKind
from cardops.services.disputes.recording import CaseName, DisputeRecording

# Older ones were told, or their dispute moved on since.
LOOKED_AT: Final = timedelta(days=45)


@dataclass(frozen=True, slots=True)
class SentAcceptances:
    """What was put into new batches now, and acceptances whose row waits and is in no file yet."""

    sent: Sequence[EvidencePackage]
    waiting: Sequence[DisputeRecord]


@dataclass(frozen=True, slots=True)
class Acceptances:
    """Puts acceptances into batches: each once, those of a program together."""

    recording: DisputeRecording
    evidence: DisputeEvidence
    intake_ledger: IntakeLedger
    clock: Clock

    def send(self) -> SentAcceptances:
        """Put every acceptance that no card company was told of into one new batch a program.

        One whose dispute has ended or moved on since is not sent: it answers nothing that is open.
        """
        sent, waiting = list[EvidencePackage](), list[DisputeRecord]()
        untold = sorted(self._untold(), key=lambda found: found[0].request.opening)
        for program, found in groupby(
            untold, key=lambda one: one[0].request.opening.dispute.program
        ):
            held = {wait.key for wait in self.intake_ledger.held_disputes(program)}
            requests = list[PackageRequest]()
            for record, step in found:
                # A card company accepts nothing that it never saw.
                if step.batch_id is None or RowKey(step.intake_id, step.row_number) in held:
                    waiting.append(record)
                else:
                    requests.append(_request(record, step, step.batch_id))
            answers = self.evidence.send(requests, _told_already)
            sent += [package for package, is_new in answers if is_new]
        return SentAcceptances(sent, waiting)

    def _untold(self) -> Iterator[tuple[DisputeRecord, DisputeStep]]:
        """Acceptances in force that are in no batch, with the last step of their dispute."""
        since = self.clock.now() - LOOKED_AT
        told = self.evidence.accepted_since(since)
        for record in self.recording.records.standing():
            opening = record.request.opening
            is_due = record.kind is RecordKind.ACCEPT and record.recorded_at >= since
            if not is_due or opening in told:
                continue
            dispute = opening.dispute
            case = CaseName(dispute.case_number, dispute.program, dispute.network)
            step = self.recording.find(case)[-1]
            if step.opening == opening and not step.is_ended:
                yield record, step


def _request(record: DisputeRecord, step: DisputeStep, batch_id: str) -> PackageRequest:
    return PackageRequest(
        step.opening,
        RowKey(step.intake_id, step.row_number),
        batch_id,
        Action.ACCEPT,
        manifest="",
        files=(),
        sent_by=record.request.recorded_by,
        why=record.request.text,
    )


def _told_already(
    request: PackageRequest,
    packages: Sequence[EvidencePackage],
    changes: Sequence[RecordedChange],
) -> EvidencePackage | None:
    """Two processes may look at once: the second finds the package of the first."""
    told = [
        package
        for package in packages
        if package.action is Action.ACCEPT and package.opening == request.opening
    ]
    return told[0] if told else None  # guard: one-acceptance-a-dispute
