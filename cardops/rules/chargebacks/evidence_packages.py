"""What is sent of a dispute's evidence: the manifest as text, names in the archive, the action asked for.

Belongs here: what determines the bytes, and no clock: the same evidence gives the same archive. It is put
together by cardops.services.chargebacks.evidence_archives.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cardops.rules.chargebacks.disputes import Stage, legal_transitions, workflow_of
from cardops.rules.chargebacks.evidence import FilledItem, FilledManifest
from cardops.rules.chargebacks.evidence_files import SUFFIXES
from cardops.rules.chargebacks.files import ACTIONS, Action
from cardops.rules.chargebacks.filing import RowKey
from cardops.rules.chargebacks.queue import DisputeStep, Opening
from cardops.rules.chargebacks.reason_codes import find_reason
from cardops.rules.money import format_amount

MANIFEST_NAME: Final = "manifest.json"
_MERCHANT: Final = "merchant"
# How a merchant may answer a chargeback; which of them is legal depends on network and workflow.
_ANSWERS: Final = (Stage.REPRESENTMENT, Stage.PRE_ARBITRATION)


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file in the archive, under its name there."""

    name: str
    sha256: str
    file_name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PackageRequest:
    """Evidence of one opening of a dispute as it is to be sent, with the row whose line goes with it."""

    opening: Opening
    row: RowKey
    batch_id: str
    action: Action
    manifest: str
    files: tuple[PackedFile, ...]
    sent_by: str
    why: str

    @property
    def content(self) -> tuple[object, ...]:
        """What makes it the same as another one."""
        return self.opening, self.action, self.manifest, self.files


@dataclass(frozen=True, slots=True)
class EvidencePackage:
    """What was given to a batch about a dispute; it never changes. An acceptance has no manifest."""

    opening: Opening
    number: int
    batch_id: str
    action: Action
    manifest: str
    files: tuple[PackedFile, ...]
    sent_by: str
    why: str
    sent_at: datetime

    @property
    def content(self) -> tuple[object, ...]:
        """What makes it the same as another one."""
        return self.opening, self.action, self.manifest, self.files

    @property
    def has_evidence(self) -> bool:
        """Whether anything goes beside the CSV."""
        return bool(self.manifest)


def action_of(step: DisputeStep) -> Action:
    """What the card company is asked to do with the evidence.

    A chargeback is answered by a representment or, where the network has none, by pre-arbitration. At
    every other stage the evidence adds to what is under way.
    """
    network, stage = step.opening.dispute.network, Stage(step.opening.stage)
    if stage is not Stage.CHARGEBACK:
        return Action.EVIDENCE
    reason = find_reason(network, step.reason_code)
    answers = {
        transition.to_stage
        for transition in legal_transitions(
            network,
            stage,
            workflow=workflow_of(network, reason.category if reason else None),
            reason_code=reason.code if reason else step.reason_code,
            on=step.dispute_date,
        )
        if transition.side == _MERCHANT
    }
    return next((ACTIONS[answer] for answer in _ANSWERS if answer in answers), Action.EVIDENCE)


def packed_files(filled: FilledManifest) -> tuple[PackedFile, ...]:
    """The files under their names in the archive, in the order of their items.

    One that was added for several items is there once, under the first.
    """
    distinct = {file.sha256: file for file in reversed(filled.files)}
    kept = [file for file in filled.files if distinct[file.sha256] is file]
    return tuple(
        PackedFile(
            f"{place:02d}_{file.item}_{file.sha256[:12]}.{SUFFIXES[file.media_type]}",
            file.sha256,
            file.file_name,
            file.size_bytes,
        )
        for place, file in enumerate(kept, start=1)
    )


def manifest_text(step: DisputeStep, filled: FilledManifest, files: Sequence[PackedFile]) -> str:
    """The manifest as JSON: the dispute, each item that is there, and each file with its hash.

    What is missing and for whom it was a note stays here: it is no evidence.
    """
    dispute = step.opening.dispute
    names = {file.sha256: file for file in files}
    told = {
        "version": 1,
        "program": dispute.program,
        "network": dispute.network,
        "case_number": dispute.case_number,
        "stage": step.opening.stage,
        "action_sequence": step.action_sequence,
        "reason_code": step.reason_code,
        "transaction_id": step.transaction_id,
        "dispute_amount": format_amount(step.amount_minor, step.currency),
        "dispute_currency": step.currency,
        "action": str(action_of(step)),
        "items": [_told(item, names) for item in filled.items if item.is_there],
    }
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _told(filled: FilledItem, names: Mapping[str, PackedFile]) -> dict[str, object]:
    files = [names[file.sha256] for file in filled.files]
    return {
        "item": filled.item.name,
        **({} if filled.value is None else {"value": filled.value}),
        "files": [
            {"name": file.name, "sha256": file.sha256, "size_bytes": file.size_bytes}
            for file in files
        ],
    }
