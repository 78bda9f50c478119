"""Submissions composed for a command: adapters of these settings, and runs in this process."""

from collections.abc import Sequence

from cardops.bootstrap import Adapters
from cardops.rules.intake.files import IntakeFile, Kind
from cardops.services.intake.submission import Submissions
from cardops.settings import Settings
from orchestration.cli.output import CommandError, say
from orchestration.composition import claims_of
from orchestration.local.in_process import InProcessRuns, RunResult


class ReportedRuns:
    """Runs of a command: a failed delivery is reported and does not end the command."""

    def __init__(self, runs: InProcessRuns) -> None:
        self._runs = runs

    def ingest_file(self, kind: Kind, files: Sequence[IntakeFile]) -> RunResult:
        """Ingest claimed files of one partition. Raises RunFailedError."""
        return self._runs.ingest_file(kind, files)

    def deliver(self, batch_id: str) -> None:
        """Make and deliver a batch's files."""
        try:
            self._runs.deliver(batch_id)
        except CommandError as error:
            say(str(error))


def open_submissions(settings: Settings, runs: InProcessRuns | None = None) -> Submissions:
    """What submits files to the home of these settings."""
    adapters = Adapters(settings)
    return Submissions(
        claims=claims_of(adapters),
        runs=ReportedRuns(runs or InProcessRuns(settings)),
        source_controls=adapters.source_controls,
        delivery_ledger=adapters.delivery_ledger,
        processed_store=adapters.processed_store,
        default_currency=settings.default_currency,
        report=say,
        lake=adapters.lake,
    )
