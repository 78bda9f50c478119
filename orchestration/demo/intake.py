"""Sends the demo's files through the ordinary intake, one run for each group of one kind.

Belongs here: submitting files, claiming them, running the jobs that follow, and files made of
released rows. orchestration.demo.truth says what the counts should be.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Final

from assets.refused_files import refusal_check_name
from cardops.bootstrap import Adapters
from cardops.contracts.kinds.registry import KINDS
from cardops.rules.intake.files import IntakeFile, Kind
from orchestration.composition import claims_of
from orchestration.local.in_process import InProcessRuns

# Kinds whose rows may wait for rows of another kind, in the order in which they are ingested.
_RELEASED: Final = tuple(kind for kind, profile in KINDS.items() if profile.reference)


@dataclass(slots=True)
class IngestedDay:
    """The ingested files: submitted ones by their path in the day, those of released rows apart.

    `closed_on`: the last date that was closed after them.
    """

    submitted: dict[str, IntakeFile] = field(default_factory=dict)
    released: list[IntakeFile] = field(default_factory=list)
    batch_ids: list[str] = field(default_factory=list)
    failed_checks: list[str] = field(default_factory=list)
    closed_on: date = date.min


class DemoIntake:
    """Ingests the files of a day for one program."""

    def __init__(self, adapters: Adapters, runs: InProcessRuns, program: str) -> None:
        self._runs = runs
        self._program = program
        self._ledger = adapters.intake_ledger
        self._claims = claims_of(adapters)

    def ingest_day(
        self, day: Path, order: Sequence[str], on_group: Callable[[str], None]
    ) -> IngestedDay:
        """Submit every file in that order; `on_group` is called with what comes next."""
        ingested = IngestedDay()
        for kind, paths in _groups(order):
            subject = kind.removesuffix("s")
            on_group(f"{len(paths)} {subject} file{'s' if len(paths) > 1 else ''}")
            files = self._submit(kind, [day / path for path in paths])
            for path, intake_file in zip(paths, self._run(kind, files, ingested), strict=True):
                ingested.submitted[path] = intake_file
            for released_kind in _RELEASED:
                ingested.released += self._ingest_released(released_kind, ingested)
        return ingested

    def _submit(self, kind: Kind, paths: Sequence[Path]) -> list[IntakeFile]:
        """Claim the files together: chargeback files are one batch."""
        return self._claims.claim(kind, self._claims.put(kind, self._program, paths))

    def _run(
        self, kind: Kind, files: Sequence[IntakeFile], ingested: IngestedDay
    ) -> list[IntakeFile]:
        """Ingest the files, deliver the files of a batch, and read the ledger's entries again."""
        failed = self._runs.ingest_file(kind, files).failed_checks
        # Whether the right files were refused is compared with the truth.
        ingested.failed_checks += set(failed) - {refusal_check_name(KINDS[kind])}
        if batch_id := files[0].batch_id:
            ingested.batch_ids.append(batch_id)
            ingested.failed_checks += self._runs.deliver(batch_id).failed_checks
        return [self._ledger.find(intake_file.intake_id) for intake_file in files]

    def _ingest_released(self, kind: Kind, ingested: IngestedDay) -> list[IntakeFile]:
        """Files made of rows whose reference has arrived; outside the demo a sensor does this."""
        files = self._claims.claim_released(kind, self._program)
        return self._run(kind, files, ingested) if files else []


def _groups(order: Sequence[str]) -> Iterator[tuple[Kind, list[str]]]:
    """Consecutive files of one kind."""
    for kind, paths in groupby(order, key=lambda path: path.partition("/")[0]):
        yield Kind(kind), list(paths)
