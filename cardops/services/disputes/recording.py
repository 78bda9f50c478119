"""What operators do with a dispute: assign it, note something, accept, close or reopen it.

Belongs here: finding the dispute by its case number, and storing what was asked. What is legal is in
cardops.rules.chargebacks.queue.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from cardops.ports import DisputeRecords, Disputes
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.queue import (
    MAX_NOTE_CHARACTERS,
    MAX_OWNER_CHARACTERS,
    DisputeRecord,
    DisputeStep,
    RecordKind,
    RecordRequest,
    judge_request,
)
from cardops.rules.errors import ExplainedError


class DisputeNotFoundError(ExplainedError):
    """No dispute, or several, have the case number."""


class UnclearRecordError(ExplainedError):
    """A name or text cannot be recorded as it is."""


@dataclass(frozen=True, slots=True)
class CaseName:
    """A case number as an operator types it; program and network where several have it."""

    case_number: str
    program: str | None = None
    network: str | None = None


@dataclass(frozen=True, slots=True)
class DisputeRecording:
    """Records what operators do. Asking twice records once."""

    disputes: Disputes
    records: DisputeRecords

    def find(self, case: CaseName) -> Sequence[DisputeStep]:
        """The dispute's steps as they happened. Raises DisputeNotFoundError."""
        found = {
            key: list(steps)
            for key, steps in groupby(
                self.disputes.steps(case.case_number), key=lambda step: step.opening.dispute
            )
            if case.program in {None, key.program} and case.network in {None, key.network}
        }
        if len(found) != 1:
            raise DisputeNotFoundError(_not_one(case, list(found)))
        (steps,) = found.values()
        return steps

    def record(
        self, case: CaseName, kind: RecordKind, *, by: str, text: str, owner: str | None = None
    ) -> tuple[DisputeRecord, bool]:
        """The record, and whether it is new.

        Raises DisputeNotFoundError, DisputeRefusedError, UnclearRecordError.
        """
        check_text("the name", by, MAX_OWNER_CHARACTERS)
        if owner is not None:
            check_text("the owner's name", owner, MAX_OWNER_CHARACTERS)
        if kind is not RecordKind.ASSIGN:
            check_text(
                "the note" if kind is RecordKind.NOTE else "--why", text, MAX_NOTE_CHARACTERS
            )
        step = self.find(case)[-1]
        request = RecordRequest(kind, step.opening, by, text, owner)
        return self.records.add(request, lambda records: judge_request(request, step, records))


def check_text(what: str, text: str, longest: int) -> None:
    """Raises UnclearRecordError where a name or text is empty, too long or not printable."""
    if not text.strip() or len(text) > longest or not text.replace("\n", " ").isprintable():
        raise UnclearRecordError(
            f"{what[0].upper()}{what[1:]} must be 1 to {longest} characters of text, without control "
            "characters; nothing was recorded."
        )


def _not_one(case: CaseName, found: Sequence[DisputeKey]) -> str:
    if found:
        names = ", ".join(f"{key.program}/{key.network}" for key in found)
        return (
            f"{len(found)} disputes have the case number {case.case_number}: {names}; say which with "
            "--program and --network."
        )
    where = "".join(f" of {name}" for name in (case.program, case.network) if name)
    return (
        f"No dispute{where} has the case number {case.case_number}; `cardops disputes list` shows "
        "the open ones."
    )
