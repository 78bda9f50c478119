"""Handing a file in: under incoming/ by a new name, claimed, taken in, and what follows from it.

Belongs here: what `cardops submit` does. How it is shown is in commands/submit.py.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cardops.adapters.clock import SystemClock
from cardops.adapters.object_stores.opening import open_store
from cardops.adapters.postgresql.connection import connect_info
from cardops.adapters.postgresql.deliveries import PostgresDeliveryLedger
from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.adapters.warehouse.lake import ParquetLake
from cardops.rules.chargebacks.files import SplitMode
from cardops.rules.chargebacks.routing import MIXED, NETWORKS
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from cardops.rules.intake.arrivals import submitted_key
from cardops.rules.intake.files import FileOutcome, FileStatus, IntakeFile, Kind
from cardops.rules.programs.programs import Program, program_problem
from cardops.services.deliveries.delivery import processed_key
from cardops.services.intake.claiming import Claims
from cardops.services.intake.ports import IntakePorts
from cardops.services.intake.quarantine import kept_rows
from cardops.services.intake.waiting_rows import release_rows
from cardops.settings import Settings
from orchestration.cli.output import CommandError, say
from orchestration.local.in_process import InProcessRuns, RunResult


@dataclass(frozen=True, slots=True)
class Submission:
    """What a person hands in. `mode` is a chargeback batch's, else the program's own."""

    path: Path
    kind: Kind
    program: str
    mode: str | None = None


class Submitter:
    """Submits files to one home; its parts are made when they are needed."""

    def __init__(self, settings: Settings, runs: InProcessRuns | None = None) -> None:
        url = connect_info(settings).url
        self._settings = settings
        self._runs = runs or InProcessRuns(settings)
        self._programs = PostgresPrograms(url)
        self._ledger = PostgresIntakeLedger(url)
        self._deliveries = PostgresDeliveryLedger(url)
        self._raw = open_store(settings.store_url("raw"))
        self._processed = open_store(settings.store_url("processed"))
        failed = open_store(settings.store_url("failed"))
        self._claims = Claims(self._raw, failed, self._ledger, self._programs, SystemClock())

    def submit(self, submission: Submission) -> dict[str, Any]:
        """Submit and wait; the answer is the JSON object of interfaces.md. Raises CommandError."""
        started = time.monotonic()
        self.require_program(submission.program)
        mark = f"{SystemClock().now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        key = submitted_key(submission.kind, submission.program, submission.path.name, mark)
        self._raw.create(key, submission.path)
        response = self.judge(submission, self._enter(submission, key))
        response["seconds"] = round(time.monotonic() - started, 3)
        return response

    def release(self, entry: IntakeFile, rows: Sequence[int]) -> dict[str, Any]:
        """Judge quarantined rows again, as a file of their own; a refused or dead file, whole."""
        submission = Submission(Path(entry.arrival.key), entry.arrival.kind, entry.arrival.program)
        if entry.status in {FileStatus.REFUSED, FileStatus.DEAD}:
            self._ledger.mark(entry.intake_id, FileStatus.CLAIMED)
            return self.judge(submission, self._ledger.find(entry.intake_id))
        key = release_rows(entry, rows or self._quarantined(entry), self._ports())
        if key is None:
            raise CommandError(f"Intake file {entry.intake_id} has no quarantined rows.")
        return self.judge(submission, self._enter(submission, key))

    def judge(self, submission: Submission, entry: IntakeFile) -> dict[str, Any]:
        """Take a claimed file in, and what follows from it. Raises CommandError."""
        result = RunResult(None, ())
        if entry.status is not FileStatus.REFUSED:
            result = self._runs.ingest_file(submission.kind, [entry])
            entry = self._ledger.find(entry.intake_id)
        response = answer_of(submission, entry, result.run_id)
        if submission.kind is Kind.CHARGEBACKS:
            response |= self._delivered(entry)
        if result.failed_checks:
            say(f"Checks that did not pass: {', '.join(result.failed_checks)}.")
            response["failed_checks"] = list(result.failed_checks)
        if result.released:
            response["released"] = [self._follow(key) for key in result.released]
        return response

    def _follow(self, key: str) -> dict[str, Any]:
        """Take in a file of rows that had waited for the one just taken in."""
        _, kind, program, *_ = key.split("/")
        submission = Submission(Path(key), Kind(kind), program)
        return self.judge(submission, self._enter(submission, key))

    def require_program(self, program: str) -> None:
        """Create the program where it is missing, and say so. Raises CommandError."""
        problem = program_problem(program)
        if problem:
            raise CommandError(problem)
        currency = self._settings.default_currency
        if self._programs.create(Program(program, currency=currency)):
            say(f"Program {program} did not exist and was created, with currency {currency}.")

    def _enter(self, submission: Submission, key: str) -> IntakeFile:
        (stat,) = (one for one in self._raw.list_objects(key) if one.key == key)
        return self._claims.enter(submission.kind, stat, mode=submission.mode)

    def _quarantined(self, entry: IntakeFile) -> list[int]:
        kept = kept_rows(self._claims.failed_store, entry)
        return [] if kept is None else kept["row_number"].to_list()

    def _ports(self) -> IntakePorts:
        lake_store = open_store(self._settings.store_url("lake"))
        return IntakePorts(
            raw_store=self._raw,
            failed_store=self._claims.failed_store,
            lake=ParquetLake(lake_store, self._settings.home / "lake-mirror"),
            intake_ledger=self._ledger,
            programs=self._programs,
            clock=SystemClock(),
        )

    def _delivered(self, entry: IntakeFile) -> dict[str, Any]:
        if entry.batch_id is None or entry.status is not FileStatus.APPLIED:
            return {"batch": entry.batch_id, "files": []}
        try:
            self._runs.deliver(entry.batch_id)
        except CommandError as error:
            say(str(error))  # each file's own state is in the answer
        mode = SplitMode(self._ledger.batch(entry.batch_id).mode)
        records = sorted(self._deliveries.files_of(entry.batch_id), key=_slot)
        return {"batch": entry.batch_id, "files": [self._file(record, mode) for record in records]}

    def _file(self, record: ChargebackFileRecord, mode: SplitMode) -> Mapping[str, Any]:
        return {
            "network": record.network if mode is SplitMode.BY_NETWORK else MIXED,
            "path": self._processed.uri(processed_key(record.batch_id, record.file_name)),
            "rows": record.row_count,
            "totals": dict(record.totals_minor),
            "sha256": record.content_sha256,
            "delivered": record.state is DeliveryState.DELIVERED,
            "remote_path": record.remote_path,
        }


def _slot(record: ChargebackFileRecord) -> int:
    return NETWORKS.index(record.network)


def answer_of(submission: Submission, entry: IntakeFile, run_id: str | None) -> dict[str, Any]:
    """What became of a file, as interfaces.md promises it."""
    outcome = entry.outcome or FileOutcome()
    return {
        "file": str(submission.path),
        "kind": submission.kind.value,
        "status": "refused" if entry.status is FileStatus.REFUSED else "applied",
        "read": outcome.read,
        "accepted": outcome.accepted,
        "duplicate": outcome.duplicate,
        "quarantined": outcome.quarantined,
        "reasons": dict(outcome.reasons),
        "flags": dict(outcome.flags),
        "quarantine": outcome.quarantine_path,
        "error": outcome.error,
        "run_id": run_id,
        "seconds": 0.0,
    }
