"""A file submitted by a person: put under incoming/, claimed, run, and what became of it.

Belongs here: what `cardops submit` and `cardops quarantine release` do. How an answer is shown is in
orchestration.cli; what runs a job is handed in.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from cardops.ports import DeliveryLedger, Lake, ObjectStore, SourceControls
from cardops.rules.chargebacks.files import SplitMode
from cardops.rules.chargebacks.routing import MIXED, NETWORKS
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from cardops.rules.errors import ExplainedError
from cardops.rules.intake.control_files import is_control, is_nearly_control
from cardops.rules.intake.files import (
    FileOutcome,
    FileRecalledError,
    FileStatus,
    IntakeFile,
    Kind,
)
from cardops.rules.intake.source_controls import HoldReason
from cardops.rules.programs.programs import Program, program_problem
from cardops.services.chargebacks.batch_filing import flags_found_by_filing
from cardops.services.chargebacks.waiting_disputes import WaitingDisputes
from cardops.services.deliveries.members import processed_key
from cardops.services.intake.claiming import Claims
from cardops.services.intake.hints import hints_of
from cardops.services.intake.quarantine import quarantined_rows
from cardops.services.intake.waiting_rows import release_rows

# How `cardops submit` names a file's status; any other file is, or is about to be, applied.
_SUBMITTED_STATUS: Final = {
    FileStatus.REFUSED: "refused",
    FileStatus.RECALLED: "recalled",
    FileStatus.HELD: "held",
}


class SubmissionError(ExplainedError):
    """A file cannot be submitted or released; the message is one sentence for the person."""


class IntakeRun(Protocol):
    """A finished run: its id, failed checks, and keys of files made of rows that had waited."""

    @property
    def run_id(self) -> str | None:
        """The run's id."""

    @property
    def failed_checks(self) -> Sequence[str]:
        """Names of asset checks that failed."""

    @property
    def released(self) -> Sequence[str]:
        """Keys under incoming/ of files made of rows that had waited for this file."""


class IntakeRuns(Protocol):
    """What runs the jobs of intake and delivery, to their end."""

    def ingest_file(self, kind: Kind, files: Sequence[IntakeFile]) -> IntakeRun:
        """Ingest claimed files of one partition."""

    def deliver(self, batch_id: str) -> None:
        """Make and deliver a batch's files.

        A failure is reported, not raised: each file's state is in the delivery ledger.
        """


@dataclass(frozen=True, slots=True)
class Submission:
    """What a person submits. `mode` is a chargeback batch's, else the program's own.

    `submitted_by` is recorded: that person cannot approve the file.
    """

    path: Path
    kind: Kind
    program: str
    mode: str | None = None
    submitted_by: str | None = None


@dataclass(frozen=True, slots=True)
class Submissions:
    """Submits files and releases quarantined rows; `report` takes remarks for the person.

    `lake`: where disputes are looked for that are in no file; without it none is.
    """

    claims: Claims
    runs: IntakeRuns
    source_controls: SourceControls
    delivery_ledger: DeliveryLedger
    processed_store: ObjectStore
    default_currency: str
    report: Callable[[str], None]
    lake: Lake | None = None

    def submit(self, submission: Submission) -> dict[str, Any]:
        """Submit a file and wait; the JSON object that `cardops submit --json` prints. Raises SubmissionError.

        A file that was recalled is not put under `incoming/` again.
        """
        started = time.monotonic()
        name = submission.path.name
        if is_control(name) or is_nearly_control(name):
            raise SubmissionError(
                f"{name} is a control file; submit the file that it is about, and "
                "the control file beside it goes with it."
            )
        self.require_program(submission.program)
        claims, kind = self.claims, submission.kind
        with submission.path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        recalled = claims.intake_ledger.recalled(kind, submission.program, digest)
        if recalled is not None:
            return describe_file(submission, recalled, None)
        (stat,) = claims.put(
            kind, submission.program, [submission.path], partial(self.record_submitter, submission)
        )
        entry = claims.enter(kind, stat, mode=submission.mode)
        response = self.ingest(submission, entry)
        response["seconds"] = round(time.monotonic() - started, 3)
        return response

    def release(self, entry: IntakeFile, row_numbers: Sequence[int]) -> dict[str, Any]:
        """Judge quarantined rows again, all where none is named; a refused or dead file, whole.

        Raises FileRecalledError, and SubmissionError where the file has no quarantined rows.
        """
        if entry.status is FileStatus.RECALLED:
            raise FileRecalledError(entry)
        submission = Submission(Path(entry.arrival.key), entry.arrival.kind, entry.arrival.program)
        if entry.status is FileStatus.HELD:
            return self.ingest(submission, entry)
        if entry.status in {FileStatus.REFUSED, FileStatus.DEAD}:
            # Refused where the file was recalled since it was read.
            self.claims.intake_ledger.restart(entry.intake_id)
            return self.ingest(submission, self.claims.intake_ledger.find(entry.intake_id))
        quarantined = self._quarantined_numbers(entry)
        named_rows = [row for row in quarantined if row in set(row_numbers or quarantined)]
        key = release_rows(
            entry,
            named_rows,
            raw_store=self.claims.raw_store,
            failed_store=self.claims.failed_store,
            announce=partial(self.source_controls.release, self.claims.raw_store.url),
        )
        if key is None:
            named = (
                f"row {', '.join(map(str, row_numbers))} in quarantine"
                if row_numbers
                else "quarantined rows"
            )
            raise SubmissionError(
                f"Intake file {entry.intake_id} has no {named}, so nothing was released; "
                "`cardops quarantine list` shows where its rows are."
            )
        self.claims.intake_ledger.released_by_hand(entry.intake_id, named_rows)
        return self.ingest(submission, self._enter_released(key, submission.kind))

    def resume(self, submission: Submission, entry: IntakeFile) -> dict[str, Any]:
        """Ingest what is left of a file that was approved; what became of it, if nothing is.

        Raises SubmissionError where its runs died.
        """
        if entry.status is FileStatus.DEAD:
            raise SubmissionError(
                f"{entry.arrival.key} was approved, but its runs died, so it is not known to be "
                "credited whole; read why they failed, then run `cardops quarantine release "
                f"{entry.intake_id}`."
            )
        if entry.status in {FileStatus.CLAIMED, FileStatus.APPLYING, FileStatus.HELD}:
            return self.ingest(submission, entry)
        return describe_file(submission, entry, None)

    def ingest(self, submission: Submission, entry: IntakeFile) -> dict[str, Any]:
        """Run a claimed file's intake and what follows from it; the same object."""
        run: IntakeRun | None = None
        if entry.status not in {FileStatus.REFUSED, FileStatus.RECALLED}:
            run = self.runs.ingest_file(submission.kind, [entry])
            entry = self.claims.intake_ledger.find(entry.intake_id)
        response = describe_file(submission, entry, run.run_id if run else None)
        hints = hints_of(self.claims.failed_store, entry)
        if hints:
            response["hints"] = hints
        if entry.status is FileStatus.HELD:
            hold = self.source_controls.state(entry).hold
            response["held_for"] = hold.reason.value if hold else None
            if hold and hold.reason is HoldReason.APPROVAL:
                response["approvals_needed"] = hold.approvals_needed
                response["approved_by_so_far"] = list(hold.approved_by)
        if self.claims.kinds[submission.kind].has_batches:
            response |= self._delivered(entry)
        # The sentence of a refused file says more than the check that failed with it.
        if run and run.failed_checks and response["status"] != "refused":
            self.report(f"Failed checks: {', '.join(run.failed_checks)}.")
            response["failed_checks"] = list(run.failed_checks)
        if run and run.released:
            response["released"] = [self._ingest_released(key) for key in run.released]
        return response

    def require_program(self, program: str) -> None:
        """Create the program where it is missing, and report it. Raises SubmissionError."""
        problem = program_problem(program)
        if problem:
            raise SubmissionError(problem)
        if self.claims.programs.create(Program(program, currency=self.default_currency)):
            self.report(
                f"Program {program} did not exist and was created, with currency "
                f"{self.default_currency}."
            )

    def record_submitter(self, submission: Submission, keys: Sequence[str]) -> None:
        """Record who puts these keys, before they are put."""
        if submission.submitted_by is not None:
            bucket = self.claims.raw_store.url
            self.source_controls.submitted(bucket, keys, submission.submitted_by)

    def _ingest_released(self, key: str) -> dict[str, Any]:
        """Ingest a file of rows that had waited for the file just ingested."""
        _, kind, program, *_ = key.split("/")
        submission = Submission(Path(key), Kind(kind), program)
        return self.ingest(submission, self._enter_released(key, submission.kind))

    def _enter_released(self, key: str, kind: Kind) -> IntakeFile:
        return self.claims.enter(kind, self.claims.listed(key))

    def _quarantined_numbers(self, entry: IntakeFile) -> list[int]:
        rows = quarantined_rows(self.claims.failed_store, entry)
        return [] if rows is None else rows["row_number"].to_list()

    def _delivered(self, entry: IntakeFile) -> dict[str, Any]:
        if entry.batch_id is None or entry.status is not FileStatus.APPLIED:
            return {"batch": entry.batch_id, "files": []}
        concerned = self._deliver(entry)
        mode = SplitMode(self.claims.intake_ledger.batch_mode(entry.batch_id))
        records = sorted(
            self.delivery_ledger.files_of(entry.batch_id),
            key=lambda record: NETWORKS.index(record.network),
        )
        files = [self._describe_delivery(record, mode) for record in records]
        delivered: dict[str, Any] = {"batch": entry.batch_id, "files": files}
        waiting = self._waiting(entry, concerned)
        flags = self._flags_found_since(entry)
        if flags:
            counted = Counter(entry.outcome.flags if entry.outcome else {})
            counted.update(flags)
            delivered["flags"] = dict(sorted(counted.items()))
        return {**delivered, "waiting": waiting} if waiting else delivered

    def _flags_found_since(self, entry: IntakeFile) -> Mapping[str, int]:
        """What filing its batch found of the file's rows that intake did not see."""
        if self.lake is None or entry.batch_id is None:
            return {}
        return flags_found_by_filing(self.lake, entry)

    def _deliver(self, entry: IntakeFile) -> set[str]:
        """Make and deliver the file's batch, and those of the program that nobody made; their ids."""
        batch_ids = {entry.batch_id} if entry.batch_id else set()
        for batch_id in sorted(batch_ids):
            self.runs.deliver(batch_id)
        if self.lake is not None:  # guard: nothing-left-unmade
            disputes = WaitingDisputes(self.claims.intake_ledger, self.lake)
            for batch in disputes.batches_to_make(entry.arrival.program):
                if batch.batch_id not in batch_ids:
                    self.report(f"The files of batch {batch.batch_id} were not made; making them.")
                    self.runs.deliver(batch.batch_id)
                    batch_ids.add(batch.batch_id)
        return batch_ids

    def _waiting(self, entry: IntakeFile, batch_ids: set[str]) -> list[dict[str, Any]]:
        """Rows of these batches, or of the same content, that are in no file, by reason."""
        if self.lake is None:
            return []
        arrival = entry.arrival
        same = self.claims.intake_ledger.find_all(
            arrival.kind, content_sha256=arrival.content_sha256, program=arrival.program
        )
        concerned = batch_ids | {file.batch_id for file in same}
        disputes = WaitingDisputes(self.claims.intake_ledger, self.lake).rows(arrival.program)
        found = [row for row in disputes if row.batch_id in concerned]
        counts = Counter((row.batch_id, str(row.reason)) for row in found)
        since = {(row.batch_id, str(row.reason)): row.since for row in reversed(found)}
        return [
            {
                "batch": batch,
                "reason": reason,
                "rows": rows,
                "since": since[batch, reason].isoformat(),
            }
            for (batch, reason), rows in sorted(counts.items())
        ]

    def _describe_delivery(
        self, record: ChargebackFileRecord, mode: SplitMode
    ) -> Mapping[str, Any]:
        return {
            "network": record.network if mode is SplitMode.BY_NETWORK else MIXED,
            "path": self.processed_store.uri(processed_key(record.batch_id, record.file_name)),
            "rows": record.row_count,
            "totals": dict(record.totals_minor),
            "sha256": record.content_sha256,
            "delivered": record.state is DeliveryState.DELIVERED,
            "remote_path": record.remote_path,
        }


def describe_file(submission: Submission, entry: IntakeFile, run_id: str | None) -> dict[str, Any]:
    """What became of a file, as `cardops submit --json` prints it."""
    is_recalled = entry.status is FileStatus.RECALLED
    # The stored counts of a recalled file are those of the time before its recall.
    outcome = FileOutcome() if is_recalled else entry.outcome or FileOutcome()
    return {
        "file": str(submission.path),
        "kind": submission.kind,
        "status": _SUBMITTED_STATUS.get(entry.status, "applied"),
        "read": outcome.read,
        "accepted": outcome.accepted,
        "duplicate": outcome.duplicate,
        "quarantined": outcome.quarantined,
        "reasons": dict(outcome.reasons),
        "flags": dict(outcome.flags),
        "quarantine": outcome.quarantine_path,
        "error": str(FileRecalledError(entry)) if is_recalled else outcome.error,
        "run_id": run_id,
        "seconds": 0.0,
    }
