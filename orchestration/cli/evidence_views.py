"""The evidence of a dispute as `cardops disputes evidence` shows it."""

from collections.abc import Iterator
from datetime import date
from typing import Any, Final

from cardops.rules.chargebacks.compelling_evidence import PriorSales
from cardops.rules.chargebacks.evidence import EvidenceFile, FilledItem, FilledManifest, Need
from cardops.rules.chargebacks.evidence_packages import EvidencePackage
from cardops.services.disputes.evidence import CaseEvidence

_HEADINGS: Final = {
    Need.REQUIRED: "Required",
    Need.ONE_OF: "At least one of",
    Need.HELPFUL: "Helpful",
}


def described_evidence(evidence: CaseEvidence, as_of: date) -> dict[str, Any]:
    """The evidence of a dispute, for `--json`."""
    step, filled = evidence.step, evidence.filled
    key = step.opening.dispute
    return {
        "program": key.program,
        "network": key.network,
        "case_number": key.case_number,
        "stage": step.opening.stage,
        "reason_code": step.reason_code,
        "reason_group": filled.reason_group,
        "transaction_id": step.transaction_id,
        "complete": filled.is_complete,
        "missing": list(filled.missing),
        "reply_by": step.reply_by_on,
        "days_left": days_left(evidence, as_of),
        "items": [_described_item(item) for item in filled.items],
        "prior_sales": _described_prior(filled.prior_sales),
        "packages": [described_package(package) for package in evidence.packages],
    }


def described_package(package: EvidencePackage) -> dict[str, Any]:
    """What was sent, for `--json`."""
    return {
        "number": package.number,
        "stage": package.opening.stage,
        "batch": package.batch_id,
        "action": str(package.action),
        "files": [
            {"name": file.name, "file": file.file_name, "sha256": file.sha256}
            for file in package.files
        ],
        "by": package.sent_by,
        "why": package.why,
        "at": package.sent_at.isoformat(),
    }


def _described_item(filled: FilledItem) -> dict[str, Any]:
    return {
        "item": filled.item.name,
        "description": filled.item.description,
        "need": str(filled.item.need),
        "filled_by": str(filled.item.filled_by),
        "there": filled.is_there,
        "value": filled.value,
        "source": filled.item.source,
        "files": [_described_file(file) for file in filled.files],
    }


def _described_file(file: EvidenceFile) -> dict[str, Any]:
    return {
        "file": file.file_name,
        "sha256": file.sha256,
        "media_type": file.media_type,
        "size_bytes": file.size_bytes,
        "by": file.added_by,
        "at": file.added_at.isoformat(),
    }


def _described_prior(prior: PriorSales | None) -> dict[str, Any] | None:
    if prior is None:
        return None
    return {
        "qualifies": prior.qualifies,
        "transactions": [sale.transaction_id for sale in prior.sales],
        "elements": list(prior.elements),
        "missing": list(prior.missing),
    }


def days_left(evidence: CaseEvidence, as_of: date) -> int | None:
    """Until the last day for an answer; negative where it has passed, None where nobody says it."""
    due = evidence.step.reply_by_on
    return None if due is None else (due - as_of).days


def evidence_lines(evidence: CaseEvidence, as_of: date) -> Iterator[str]:
    """The manifest for people."""
    step, filled = evidence.step, evidence.filled
    key = step.opening.dispute
    left = days_left(evidence, as_of)
    due = "" if left is None else f", {left} days left"
    yield (
        f"Evidence of {key.case_number} ({key.program}, {key.network}): {filled.reason_group} at "
        f"{step.opening.stage}{due}"
    )
    yield f"  {evidence_status(evidence)}"
    for need, heading in _HEADINGS.items():
        items = [item for item in filled.items if item.item.need is need]
        if items:
            yield heading
        for item in items:
            yield from _item_lines(item)
    if filled.prior_sales is not None and not filled.prior_sales.qualifies:
        yield f"Compelling Evidence 3.0 lacks: {', '.join(filled.prior_sales.missing)}"
    for package in evidence.packages:
        yield (
            f"Sent {package.sent_at:%Y-%m-%d %H:%M} by {package.sent_by} as {package.action} in "
            f"{package.batch_id}"
            + (f", {len(package.files)} files" if package.has_evidence else ", without evidence")
        )


def evidence_status(evidence: CaseEvidence) -> str:
    """In one line: complete or what is missing, and whether it was sent."""
    filled, sent = evidence.filled, evidence.sent
    status = "complete" if filled.is_complete else f"missing {_missing(filled)}"
    files = len(filled.files)
    told = f"{status}; {files} {'file' if files == 1 else 'files'}"
    return f"{told}; sent in {sent.batch_id} as {sent.action}" if sent else f"{told}; not sent"


def _missing(filled: FilledManifest) -> str:
    choice = {item.item.name for item in filled.items if item.item.need is Need.ONE_OF}
    required = [name for name in filled.missing if name not in choice]
    one_of = [name for name in filled.missing if name in choice]
    return ", ".join([*required, *([f"one of {' / '.join(one_of)}"] if one_of else [])])


def _item_lines(filled: FilledItem) -> Iterator[str]:
    mark = "x" if filled.is_there else " "
    item = filled.item
    yield f"  [{mark}] {item.name}: {filled.value or item.description} ({item.filled_by})"
    for file in filled.files:
        yield (
            f"        {file.file_name}  {file.size_bytes:,} bytes  {file.sha256[:12]}  "
            f"{file.added_by}  {file.added_at:%Y-%m-%d %H:%M}"
        )
