"""One day of card operations, end to end: the steps of `cardops demo`, in their order.

Belongs here: which step follows which, and what is handed from one to the next. Loading this
module loads Dagster.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from cardops.adapters.clock import SystemClock
from cardops.adapters.postgresql.connection import connect_info
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.adapters.warehouse.dbt import ensure_manifest
from cardops.contracts.kinds.registry import KINDS
from cardops.rules.deliveries.records import ChargebackFileRecord
from cardops.rules.intake.files import FileOutcome, IntakeFile, Kind
from cardops.rules.programs.api_keys import Scope
from cardops.settings import Settings
from orchestration.cli.commands.key import ensure_program
from orchestration.cli.output import CommandError
from orchestration.demo import truth as demo_truth
from orchestration.demo.books import DemoBooks
from orchestration.demo.intake import DemoIntake, IngestedDay
from orchestration.demo.services import outside
from orchestration.local.in_process import InProcessRuns
from orchestration.local.instance import end_leftover_runs
from simulation.generator import DEFAULT_HISTORY_END, DEFAULT_SEED, REQUESTS_PATH, generate
from simulation.traffic import TrafficReport, run_traffic

KEY_NAME: Final = "demo traffic"


class Progress(Protocol):
    """How a demo tells what it is doing."""

    def step(self, what: str, total: int | None = None) -> None:
        """The next step begins; `total` where it is counted."""

    def advance(self) -> None:
        """One more of the step's total."""


@dataclass(slots=True)
class DemoResult:
    """What a demo did and found; it agrees with the truth where `differences` is empty."""

    program: str
    day: Path
    counts: dict[str, dict[str, Any]]
    traffic: TrafficReport
    examples: list[str]
    files_delivered: int
    files_released: int
    files_known: int
    chargeback_files: list[dict[str, Any]]
    breaks: int
    accounts: int
    kpis: Mapping[str, Mapping[str, Mapping[str, int]]]
    report: Path
    is_repeat: bool
    failed_checks: list[str]
    differences: list[str] = field(default_factory=list)
    seconds: float = 0.0


def run_demo(settings: Settings, rows: int, progress: Progress) -> DemoResult:
    """Generate, take in, authorize, close, compare. Raises CommandError."""
    started = time.monotonic()
    progress.step(f"Generating a day of {rows} deposits")
    day = settings.home / "demo" / f"day-{rows}"
    truth = generate(rows, DEFAULT_SEED, DEFAULT_HISTORY_END, day)
    demo = _Demo(settings, f"demo-{truth['tag']}", day, truth, progress)
    result = demo.run()
    result.seconds = round(time.monotonic() - started, 1)
    return result


@dataclass(frozen=True, slots=True)
class _Demo:
    settings: Settings
    program: str
    day: Path
    truth: Mapping[str, Any]
    progress: Progress

    def run(self) -> DemoResult:
        self.progress.step("Starting PostgreSQL, the card companies' SFTP server, the authorizer")
        connect_info(self.settings)
        ensure_program(self.settings, self.program)
        ensure_manifest()
        books = DemoBooks(self.settings, self.program)
        known_files = {one.file_name for one in books.records()}
        with outside(self.settings) as address:
            self.progress.step("Loading Dagster")
            runs = InProcessRuns(self.settings, with_dbt=True)
            end_leftover_runs(runs.instance)
            taken = self._take_in(runs)
            traffic = self._authorize(address)
        self._close(runs, taken)
        return self._compared(books, taken, traffic, known_files)

    def _take_in(self, runs: InProcessRuns) -> IngestedDay:
        intake = DemoIntake(self.settings, runs, self.program)

        def on_group(what: str) -> None:
            self.progress.step(f"Taking in {what}")

        return intake.ingest_file(self.day, self.truth["submission_order"], on_group)

    def _authorize(self, address: str) -> TrafficReport:
        responses = self.truth["authorizations"]["answers"]
        self.progress.step(f"Asking for {len(responses)} authorizations over HTTP", len(responses))
        with _key(self.settings, self.program) as key:
            return run_traffic(
                address,
                key,
                self.day / REQUESTS_PATH,
                responses,
                on_answer=self.progress.advance,
            )

    def _close(self, runs: InProcessRuns, taken: IngestedDay) -> None:
        """Every business date that this demo touched: two, where midnight passed meanwhile."""
        dates = {one.business_date for one in taken.submitted.values()}
        for business_date in sorted(dates | {SystemClock().now().date()}):
            self.progress.step(f"Closing {business_date}: log, reconciliation, marts, report")
            with _quietly(self.settings.home / "run" / "logs" / "daily_close.log"):
                result = runs.run("daily_close", partition_key=business_date.isoformat())
            taken.failed_checks += result.failed_checks

    def _compared(
        self,
        books: DemoBooks,
        taken: IngestedDay,
        traffic: TrafficReport,
        known_files: set[str],
    ) -> DemoResult:
        self.progress.step("Comparing every figure with the truth")
        today = SystemClock().now().date()
        balances, records, kpis = books.balances(), books.records(), books.kpis()
        breaks = books.breaks(today)
        truth = self.truth
        differences = [
            *demo_truth.file_differences(truth, taken.submitted),
            *demo_truth.lake_differences(truth, books.lake_rows()),
            *demo_truth.answer_differences(truth, traffic.as_json()),
            *demo_truth.balance_differences(truth, balances),
            *demo_truth.delivery_differences(truth, books.received(records)),
            *demo_truth.kpi_differences(truth, kpis),
            *([f"{breaks} breaks in the books"] if breaks else []),
            *(f"the check {one} did not pass" for one in taken.failed_checks),
        ]
        new_files = [one for one in records if one.file_name not in known_files]
        # What a late transaction released from quarantine went into the program's next batch.
        own_batches = {one.batch_id for one in taken.submitted.values()}
        of_the_day = [one for one in new_files if one.batch_id in own_batches]
        return DemoResult(
            program=self.program,
            day=self.day,
            counts={kind: _counts(kind, taken.submitted) for kind in KINDS},
            traffic=traffic,
            examples=[one for one in map(books.example, ("PERMIT", "REJECT")) if one],
            files_delivered=len(of_the_day),
            files_released=len(new_files) - len(of_the_day),
            files_known=len(records) - len(new_files),
            chargeback_files=[_file(one) for one in new_files],
            breaks=breaks,
            accounts=sum(map(len, balances.values())),
            kpis=kpis,
            report=self.settings.home / "reports" / f"daily_report_{today}.html",
            is_repeat=_is_repeat(truth, taken.submitted),
            failed_checks=taken.failed_checks,
            differences=differences,
        )


@contextmanager
def _key(settings: Settings, program: str) -> Iterator[str]:
    """A test key for as long as the traffic runs."""
    programs = PostgresPrograms(connect_info(settings).url)
    scopes = (Scope.AUTHORIZATIONS_WRITE.value, Scope.AUTHORIZATIONS_READ.value)
    made = programs.create_key(program, KEY_NAME, scopes, is_test=True)
    try:
        yield made.key
    finally:
        with suppress(Exception):
            programs.revoke_key(made.key_id)


@contextmanager
def _quietly(log: Path) -> Iterator[None]:
    """What dbt says line by line goes to a file. Errors tell where that is."""
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log.open("w") as told, redirect_stderr(told):
            yield
    except CommandError as error:
        raise CommandError(f"{error}; dbt's own words are in {log}.") from None


def _is_repeat(truth: Mapping[str, Any], submitted: Mapping[str, IntakeFile]) -> bool:
    return all(
        demo_truth.is_repeat(truth["files"][path], intake_file.outcome or FileOutcome())
        for path, intake_file in submitted.items()
        if truth["files"][path]["accepted"]
    )


def _counts(kind: Kind, submitted: Mapping[str, IntakeFile]) -> dict[str, Any]:
    """A kind's files together, as `cardops submit` counts one."""
    every = [one.outcome for one in submitted.values() if one.arrival.kind == kind and one.outcome]
    outcomes = [one for one in every if not one.error]
    return {
        "files": len(every),
        "refused": len(every) - len(outcomes),
        **{name: sum(getattr(one, name) for one in outcomes) for name in demo_truth.COUNTS},
        "reasons": _added(outcomes, lambda one: one.reasons),
        "flags": _added(outcomes, lambda one: one.flags),
        "totals": _added(outcomes, lambda one: one.totals_minor),
    }


def _added(
    outcomes: Sequence[FileOutcome], counts_of: Callable[[FileOutcome], Mapping[str, int]]
) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for outcome in outcomes:
        sums.update(counts_of(outcome))
    return dict(sorted(sums.items()))


def _file(record: ChargebackFileRecord) -> dict[str, Any]:
    return {
        "batch": record.batch_id,
        "network": record.network,
        "file": record.file_name,
        "rows": record.row_count,
        "totals": dict(record.totals_minor),
        "sha256": record.content_sha256,
        "delivered": record.state.value == "delivered",
        "remote_path": record.remote_path,
    }
