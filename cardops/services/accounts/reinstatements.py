"""Credit recalled deposits again, by an explicit request with its requester and reason.

Belongs here: which files a request is for, and the order of steps. The request is stored first and
ingesting the file obeys it, so that a crash in between is finished by the next run or by a repeat.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cardops.ports import DepositLedger, IntakeLedger
from cardops.rules.errors import ExplainedError
from cardops.rules.intake.files import DEFAULT_PROGRAM, FileStatus, IntakeFile
from cardops.services.accounts.deposit_files import (
    DEPOSITS,
    DepositFileKey,
    ambiguous_key,
    named_files,
    programs_of,
    related_files,
)
from cardops.services.intake.contents import require_claimed_content
from cardops.services.intake.submission import Submission, Submissions


@dataclass(frozen=True, slots=True)
class Reinstatement:
    """The files, what became of each, and their standing reinstatements in minor units."""

    files: Sequence[IntakeFile]
    responses: Sequence[dict[str, Any]]
    totals_minor: dict[str, int]


class ReinstatementRefusedError(ExplainedError):
    """Nothing was reinstated; the message says why."""


@dataclass(frozen=True, slots=True)
class ReinstatementService:
    """Reinstates a recalled file, or recalled deposits with the content of a corrected file.

    A deposit that stands is never credited again: the second time adds no posting.
    """

    submissions: Submissions
    deposit_ledger: DepositLedger

    def reinstate(
        self, name: str, known: DepositFileKey, requested_by: str, reason: str
    ) -> Reinstatement:
        """Credit the recalled deposits that the file names, with its amounts.

        `name` is what the operator called the file; one that was never submitted is submitted by
        it. Raises ReinstatementRefusedError, ContentReplacedError.
        """
        files = self._chosen(name, known, requested_by)
        for intake_file in files:
            require_claimed_content(self.submissions.claims.raw_store, intake_file)
        for intake_file in files:
            # Together, so that a recall comes before both or ends the request after both.
            with self._intake_ledger.exclusively(intake_file.intake_id):
                self.deposit_ledger.request_reinstatement(intake_file, requested_by, reason)
                self._intake_ledger.reinstate(intake_file.intake_id)
        responses = [self._ingest(intake_file) for intake_file in files]
        totals: Counter[str] = Counter()
        for intake_file in files:
            totals.update(self.deposit_ledger.reinstated(intake_file))
        return Reinstatement(files, responses, dict(sorted(totals.items())))

    @property
    def _intake_ledger(self) -> IntakeLedger:
        return self.submissions.claims.intake_ledger

    def _chosen(self, name: str, known: DepositFileKey, requested_by: str) -> Sequence[IntakeFile]:
        found = named_files(self._intake_ledger, known) or self._submitted(
            name, known, requested_by
        )
        ambiguity = ambiguous_key(name, found)
        if ambiguity:
            raise ReinstatementRefusedError(
                f"{ambiguity}, so nothing was reinstated; name one by its id."
            )
        programs = programs_of(found)
        if len(programs) > 1:
            raise ReinstatementRefusedError(
                f"{name} belongs to several programs ({', '.join(programs)}), so nothing was "
                "reinstated; choose one with --program."
            )
        recalled = _with_status(found, FileStatus.RECALLED)
        if recalled:
            return _with_status(related_files(self._intake_ledger, recalled), FileStatus.RECALLED)
        for intake_file in found:
            if intake_file.status not in {FileStatus.REFUSED, FileStatus.DEAD}:
                return [intake_file]
        raise ReinstatementRefusedError(
            f"{name} is {found[0].status}, so nothing was reinstated; run `cardops quarantine "
            f"release {found[0].intake_id}` first."
        )

    def _submitted(
        self, name: str, known: DepositFileKey, requested_by: str
    ) -> Sequence[IntakeFile]:
        if known.content_sha256 is None:
            raise ReinstatementRefusedError(
                f"There is no deposit file {name}, so nothing was reinstated; name the file itself, "
                "its key under incoming/ or its intake id."
            )
        claims, program = self.submissions.claims, known.program or DEFAULT_PROGRAM
        self.submissions.require_program(program)
        submission = Submission(Path(name), DEPOSITS, program, submitted_by=requested_by)
        announce = partial(self.submissions.record_submitter, submission)
        (stat,) = claims.put(DEPOSITS, program, [Path(name)], announce)
        return [claims.enter(DEPOSITS, stat)]

    def _ingest(self, intake_file: IntakeFile) -> dict[str, Any]:
        arrival = intake_file.arrival
        submission = Submission(Path(arrival.key), arrival.kind, arrival.program)
        entry = self._intake_ledger.find(intake_file.intake_id)
        return self.submissions.ingest(submission, entry)


def _with_status(files: Sequence[IntakeFile], status: FileStatus) -> list[IntakeFile]:
    return [intake_file for intake_file in files if intake_file.status is status]
