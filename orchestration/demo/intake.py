"""A demo's files through the same intake as any other's, a run for each group of one kind.

Belongs here: putting files under incoming/, claiming them, running what follows, and rows that are
released. What the counts should be is in orchestration.demo.truth.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final

from cardops.adapters.clock import SystemClock
from cardops.adapters.object_stores.opening import open_store
from cardops.adapters.postgresql.connection import connect_info
from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.contracts.kinds.registry import KINDS
from cardops.rules.intake.files import IntakeFile, Kind
from cardops.services.intake.claiming import Claims
from cardops.settings import Settings
from orchestration.local.in_process import InProcessRuns

# Kinds whose rows may wait for another kind's, in the order in which they are taken up.
_RELEASED: Final = tuple(kind for kind, profile in KINDS.items() if profile.reference)


@dataclass(slots=True)
class IngestedDay:
    """What was taken in: submitted files by their path in the day, released ones apart."""

    submitted: dict[str, IntakeFile] = field(default_factory=dict)
    released: list[IntakeFile] = field(default_factory=list)
    batch_ids: list[str] = field(default_factory=list)
    failed_checks: list[str] = field(default_factory=list)


class DemoIntake:
    """Takes a day's files in for one program."""

    def __init__(self, settings: Settings, runs: InProcessRuns, program: str) -> None:
        url = connect_info(settings).url
        self._runs = runs
        self._program = program
        self._ledger = PostgresIntakeLedger(url)
        raw = open_store(settings.store_url("raw"))
        failed = open_store(settings.store_url("failed"))
        programs = PostgresPrograms(url)
        self._claims = Claims(raw, failed, self._ledger, programs, SystemClock())

    def ingest_file(
        self, day: Path, order: Sequence[str], on_group: Callable[[str], None]
    ) -> IngestedDay:
        """Submit every file in that order; `on_group` is told what is taken in next."""
        taken = IngestedDay()
        for kind, paths in _groups(order):
            subject = kind.removesuffix("s")
            on_group(f"{len(paths)} {subject} file{'s' if len(paths) > 1 else ''}")
            files = self._submit(kind, [day / path for path in paths])
            for path, intake_file in zip(paths, self._run(kind, files, taken), strict=True):
                taken.submitted[path] = intake_file
            for released_kind in _RELEASED:
                taken.released += self._take_released(released_kind, taken)
        return taken

    def _submit(self, kind: Kind, paths: Sequence[Path]) -> list[IntakeFile]:
        """Claimed together: chargeback files are one batch."""
        return self._claims.claim(kind, self._claims.put(kind, self._program, paths))

    def _run(self, kind: Kind, files: Sequence[IntakeFile], taken: IngestedDay) -> list[IntakeFile]:
        """Take them in, deliver what a batch makes, and read the entries again."""
        taken.failed_checks += self._runs.ingest_file(kind, files).failed_checks
        if batch_id := files[0].batch_id:
            taken.batch_ids.append(batch_id)
            taken.failed_checks += self._runs.deliver(batch_id).failed_checks
        return [self._ledger.find(one.intake_id) for one in files]

    def _take_released(self, kind: Kind, taken: IngestedDay) -> list[IntakeFile]:
        """Files made of rows whose reference has come: what a sensor does elsewhere."""
        files = self._claims.claim_released(kind, self._program)
        return self._run(kind, files, taken) if files else []


def _groups(order: Sequence[str]) -> Iterator[tuple[Kind, list[str]]]:
    """Consecutive files of one kind."""
    for kind, paths in groupby(order, key=lambda path: path.partition("/")[0]):
        yield Kind(kind), list(paths)
