"""The evidence of one dispute: what it needs, what the lake fills, what people added, what was sent.

Belongs here: gathering it, and adding and removing files. Sending is in
cardops.services.disputes.evidence_sending.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from cardops.contracts.lake.sales import authorization_code_of, sales_of
from cardops.ports import DisputeEvidence, Lake, ObjectStore
from cardops.rules.chargebacks.evidence import (
    DisputeFacts,
    FilledManifest,
    fill_manifest,
    manifest_of,
)
from cardops.rules.chargebacks.evidence_files import (
    MAX_NAME_CHARACTERS,
    EvidenceChange,
    EvidenceRefusedError,
    RecordedChange,
    check_item,
    current_files,
    evidence_key,
    judge_change,
    media_type_of,
)
from cardops.rules.chargebacks.evidence_packages import EvidencePackage
from cardops.rules.chargebacks.queue import (
    MAX_NOTE_CHARACTERS,
    MAX_OWNER_CHARACTERS,
    DisputeStep,
)
from cardops.rules.intake.objects import ObjectMissingError
from cardops.services.disputes.recording import CaseName, DisputeRecording, check_text

_SHORTEST_HASH: Final = 8


@dataclass(frozen=True, slots=True)
class CaseEvidence:
    """The evidence of a dispute as it is now; `step` is the dispute's last one."""

    step: DisputeStep
    filled: FilledManifest
    packages: Sequence[EvidencePackage]

    @property
    def sent(self) -> EvidencePackage | None:
        """The evidence that was sent last for the dispute's present opening."""
        found = [
            sent
            for sent in self.packages
            if sent.has_evidence and sent.opening == self.step.opening
        ]
        return found[-1] if found else None


@dataclass(frozen=True, slots=True)
class AddedFile:
    """A file as it was given: the item that it is for, its name and its bytes."""

    item: str
    file_name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class EvidenceService:
    """Gathers evidence; everything it needs is a port. `store` is the processed store."""

    recording: DisputeRecording
    evidence: DisputeEvidence
    lake: Lake
    store: ObjectStore

    def of_case(self, case: CaseName) -> CaseEvidence:
        """Raises DisputeNotFoundError."""
        return self.evidence_of(self.recording.find(case))

    def evidence_of(self, steps: Sequence[DisputeStep]) -> CaseEvidence:
        """The evidence of the dispute with these steps, given as they happened."""
        step = steps[-1]
        key = step.opening.dispute
        disputed_on = min(known.dispute_date for known in steps)
        sale, sales = sales_of(self.lake, key.program, step.transaction_id)
        facts = DisputeFacts(disputed_on, sale, authorization_code_of(self.lake, key), sales)
        manifest = manifest_of(key.network, step.reason_code, step.opening.stage, disputed_on)
        files = current_files(self.evidence.changes_of(key))
        return CaseEvidence(
            step,
            fill_manifest(manifest, key.network, step.reason_code, facts, files),
            self.evidence.packages_of(key),
        )

    def add(self, case: CaseName, added: AddedFile, *, by: str) -> tuple[RecordedChange, bool]:
        """The recorded change, and whether it is new: the same file for the same item is known already.

        The bytes are stored first, so what is on record is there. Raises DisputeNotFoundError,
        EvidenceRefusedError, UnclearRecordError.
        """
        check_text("the name", by, MAX_OWNER_CHARACTERS)
        check_item(added.item)
        name = PurePath(added.file_name).name
        check_text("the file's name", name, MAX_NAME_CHARACTERS)
        media_type = media_type_of(name, added.content)
        dispute = self.recording.find(case)[-1].opening.dispute
        digest = hashlib.sha256(added.content).hexdigest()
        size = len(added.content)
        change = EvidenceChange(added.item, digest, name, media_type, size, by)
        # Refused before anything is stored where that is certain already.
        judge_change(change, self.evidence.changes_of(dispute))
        if not is_whole(self.store, digest):
            self.store.replace(evidence_key(digest), added.content)
        return self.evidence.change(dispute, change, lambda known: judge_change(change, known))

    def remove(
        self, case: CaseName, sha256: str, *, item: str, by: str, why: str
    ) -> tuple[RecordedChange, bool]:
        """Take a file of an item out of what is sent from now on; `sha256` may be its first digits.

        What was sent already, and the stored bytes, stay. Raises as `add`.
        """
        check_text("the name", by, MAX_OWNER_CHARACTERS)
        check_text("--why", why, MAX_NOTE_CHARACTERS)
        check_item(item)
        dispute = self.recording.find(case)[-1].opening.dispute
        changes = self.evidence.changes_of(dispute)
        known = _named(changes, item, sha256)
        change = EvidenceChange(
            item,
            known.sha256,
            known.file_name,
            known.media_type,
            known.size_bytes,
            by,
            why,
            is_removed=True,
        )
        return self.evidence.change(dispute, change, lambda found: judge_change(change, found))


def is_whole(store: ObjectStore, sha256: str) -> bool:
    """Whether the stored bytes of a file are those that were added."""
    try:
        content = store.get(evidence_key(sha256))
    except ObjectMissingError:
        return False
    return hashlib.sha256(content).hexdigest() == sha256


def _named(changes: Sequence[RecordedChange], item: str, sha256: str) -> EvidenceChange:
    """The last change of the item's file whose hash begins so."""
    found = {
        recorded.change.sha256: recorded.change
        for recorded in changes
        if recorded.change.item == item and recorded.change.sha256.startswith(sha256.lower())
    }
    if len(sha256) < _SHORTEST_HASH or len(found) != 1:
        raise EvidenceRefusedError(
            f"{len(found) if len(sha256) >= _SHORTEST_HASH else 'Too few digits: no'} file of {item} "
            f"is named by {sha256[:64]!a}; nothing was removed. Give at least {_SHORTEST_HASH} "
            "digits of its SHA-256, as `cardops disputes evidence` shows it."
        )
    (change,) = found.values()
    return change
