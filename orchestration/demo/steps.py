"""One day of card operations, end to end: the steps of `cardops demo` in order.

Belongs here: the order of the steps and what one passes to the next. Importing this module imports
Dagster.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from cardops.bootstrap import Adapters, dbt_manifest
from cardops.rules.deliveries.records import ChargebackFileRecord
from cardops.rules.intake.files import FileOutcome, IntakeFile, Kind, total_outcome
from cardops.rules.programs.api_keys import Scope
from cardops.settings import Settings
from orchestration.cli.known_programs import ensure_program
from orchestration.cli.output import CommandError
from orchestration.demo import truth as demo_truth
from orchestration.demo.answers import Answers, answered, read_answers, resent_batches
from orchestration.demo.books import DemoBooks
from orchestration.demo.deadlines import found_deadlines, set_processor_clocks
from orchestration.demo.disputed_money import DisputedMoney
from orchestration.demo.filed_lines import FiledLines, filed_lines
from orchestration.demo.intake import DemoIntake, IngestedDay
from orchestration.demo.monitored_merchants import MonitoredMerchants
from orchestration.demo.services import OutsideProcesses
from orchestration.local.in_process import InProcessRuns
from orchestration.local.instance import end_leftover_runs
from simulation.disputed_money import filing_truth, money_truth
from simulation.generator import DEFAULT_HISTORY_END, DEFAULT_SEED, REQUESTS_PATH, generate
from simulation.monitored_merchant import Month, monitoring_truth
from simulation.traffic import TrafficReport, run_traffic
from simulation.truth import SIMULATED_KINDS

KEY_NAME: Final = "demo traffic"
# The last whole month of the day's history. A later one would change the day's monthly rates, which go
# to the last month of which anything is known.
WATCHED_MONTH: Final = Month.of(DEFAULT_HISTORY_END - timedelta(days=1))


class Progress(Protocol):
    """How a demo reports its progress."""

    def step(self, what: str, total: int | None = None) -> None:
        """The next step begins; `total` where its items are counted."""

    def advance(self) -> None:
        """One more item of the step is done."""


@dataclass(slots=True)
class DemoResult:
    """What a demo did and found; it succeeded where `differences` is empty."""

    program: str
    day: Path
    counts: dict[str, dict[str, Any]]
    traffic: TrafficReport
    examples: list[str]
    files_delivered: int
    files_released: int
    files_resent: int
    files_known: int
    chargeback_files: list[dict[str, Any]]
    acknowledgements: dict[str, dict[str, Any]]
    filed: FiledLines
    breaks: int
    accounts: int
    kpis: Mapping[str, Mapping[str, Any]]
    rings: list[dict[str, Any]]
    report: Path
    is_repeat: bool
    failed_checks: list[str]
    disputed_money: dict[str, dict[str, Any]] = field(default_factory=dict)
    monitoring: dict[str, dict[str, Any]] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    seconds: float = 0.0


def run_demo(
    settings: Settings, rows: int, processes: OutsideProcesses, progress: Progress
) -> DemoResult:
    """Generate a day, ingest it, authorize, close and compare. Raises ExplainedError.

    The processes are stopped before the close.
    """
    started = time.monotonic()
    progress.step(f"Generating a day with {rows} deposits")
    day = settings.home / "demo" / f"day-{rows}"
    truth = generate(rows, DEFAULT_SEED, DEFAULT_HISTORY_END, day)
    demo = _Demo(Adapters(settings), f"demo-{truth['tag']}", day, truth, processes, progress)
    result = demo.run()
    result.seconds = round(time.monotonic() - started, 1)
    return result


@dataclass(frozen=True, slots=True)
class _Demo:
    adapters: Adapters
    program: str
    day: Path
    truth: Mapping[str, Any]
    processes: OutsideProcesses
    progress: Progress

    def run(self) -> DemoResult:
        settings = self.adapters.settings
        self.progress.step("Starting PostgreSQL")
        ensure_program(self.adapters, self.program)
        processor_days = self.truth["deadlines"]["processor_days"]
        set_processor_clocks(self.adapters, self.program, processor_days)
        dbt_manifest()
        books = DemoBooks(self.adapters, self.program)
        known_files = {record.file_name for record in books.records()}
        self.progress.step("Starting Dagster, the SFTP server and the authorizer")
        runs = InProcessRuns(settings, with_dbt=True)
        runs.load()
        end_leftover_runs(runs.instance)
        address = self.processes.wait_until_ready()
        ingested = self._ingest(runs)
        money, merchants = self._ingest_beside(runs, ingested)
        answers = self._read_answers(runs, books, ingested)
        traffic = self._authorize(address)
        self.processes.stop()
        breaks = self._close(runs, books, ingested)
        result = self._compared(books, ingested, traffic, breaks, known_files, answers)
        today = self.adapters.database_clock.now().date()
        expected = money_truth(DEFAULT_HISTORY_END, today)
        result.disputed_money = money.found()
        result.differences += demo_truth.money_differences(expected, result.disputed_money)
        result.differences += demo_truth.held_differences(filing_truth(), money.filed())
        result.monitoring = merchants.found()
        result.differences += demo_truth.monitoring_differences(
            monitoring_truth(merchants.month, ingested.closed_on), result.monitoring
        )
        result.differences += demo_truth.health_differences(
            merchants.expected_health(), merchants.health()
        )
        return result

    def _ingest(self, runs: InProcessRuns) -> IngestedDay:
        intake = DemoIntake(self.adapters, runs, self.program)

        def on_group(files: str) -> None:
            self.progress.step(f"Ingesting {files}")

        return intake.ingest_day(self.day, self.truth["submission_order"], on_group)

    def _ingest_beside(
        self, runs: InProcessRuns, ingested: IngestedDay
    ) -> tuple[DisputedMoney, MonitoredMerchants]:
        """Programs of their own: one whose users get disputed money back, one with watched merchants."""
        self.progress.step("Giving disputed money back under Regulation E")
        money = DisputedMoney(self.adapters, f"{self.program}-reg-e", DEFAULT_HISTORY_END)
        ingested.failed_checks += money.give_back(self.day / "disputed-money", runs)
        self.progress.step("Ingesting sales, disputes and fraud reports of a merchant near a line")
        merchants = MonitoredMerchants(self.adapters, f"{self.program}-watched", WATCHED_MONTH)
        ingested.failed_checks += merchants.ingest(self.day / "monitored-merchants", runs)
        return money, merchants

    def _read_answers(
        self, runs: InProcessRuns, books: DemoBooks, ingested: IngestedDay
    ) -> Answers:
        self.progress.step("Reading acknowledgements, sending rejected rows once more")
        answers = read_answers(self.adapters, books, runs)
        ingested.failed_checks += answers.failed_checks
        return answers

    def _authorize(self, address: str) -> TrafficReport:
        responses = self.truth["authorizations"]["answers"]
        self.progress.step(f"Requesting {len(responses)} authorizations", len(responses))
        with _key(self.adapters, self.program) as key:
            return run_traffic(
                address,
                key,
                self.day / REQUESTS_PATH,
                responses,
                on_response=self.progress.advance,
            )

    def _close(self, runs: InProcessRuns, books: DemoBooks, ingested: IngestedDay) -> int:
        """Breaks of every business date that this demo touched: two where midnight passed meanwhile."""
        breaks = 0
        dates = {intake_file.business_date for intake_file in ingested.submitted.values()}
        for business_date in sorted(dates | {self.adapters.database_clock.now().date()}):
            ingested.closed_on = business_date
            self.progress.step(f"Closing {business_date}: reconciliation, marts, report")
            with _dbt_output_in(self.adapters.settings.home / "run" / "logs" / "daily_close.log"):
                result = runs.run("daily_close", partition_key=business_date.isoformat())
            ingested.failed_checks += result.failed_checks
            breaks += books.breaks(business_date)
        return breaks

    def _compared(
        self,
        books: DemoBooks,
        ingested: IngestedDay,
        traffic: TrafficReport,
        breaks: int,
        known_files: set[str],
        answers: Answers,
    ) -> DemoResult:
        self.progress.step("Comparing every figure with the expected one")
        today = self.adapters.database_clock.now().date()
        balances, records, kpis = books.balances(), books.records(), books.kpis()
        rings = books.rings()
        truth, acknowledgements = self.truth, answered(self.adapters, books, records)
        filed = filed_lines(self.adapters, self.program, records)
        differences = [
            *filed.differences,
            *demo_truth.filed_differences(truth, filed),
            *demo_truth.deadline_differences(
                truth, found_deadlines(self.adapters, self.program), ingested.closed_on
            ),
            *demo_truth.file_differences(truth, ingested.submitted),
            *demo_truth.lake_differences(truth, books.lake_rows()),
            *demo_truth.response_differences(truth, traffic.as_json()),
            *demo_truth.balance_differences(truth, balances),
            *demo_truth.delivery_differences(truth, books.received(records)),
            *demo_truth.acknowledgement_differences(truth, acknowledgements),
            *([] if known_files else demo_truth.late_differences(truth, answers.late)),
            *demo_truth.kpi_differences(truth, kpis),
            *demo_truth.answer_differences(truth, books.answers()),
            *demo_truth.dispute_differences(truth, books.disputes()),
            *demo_truth.ring_differences(truth, rings),
            *([f"{breaks} reconciliation breaks were found"] if breaks else []),
            *(f"the check {name} failed" for name in ingested.failed_checks),
        ]
        new_files = [record for record in records if record.file_name not in known_files]
        # Rows that a late transaction released from quarantine are in the program's next batch.
        own_batches = {intake_file.batch_id for intake_file in ingested.submitted.values()}
        resent = resent_batches(self.adapters, records)
        files_of_the_day = [record for record in new_files if record.batch_id in own_batches]
        files_resent = [record for record in new_files if record.batch_id in resent]
        return DemoResult(
            program=self.program,
            day=self.day,
            counts={kind: _counts(kind, ingested.submitted) for kind in SIMULATED_KINDS},
            traffic=traffic,
            examples=[text for text in map(books.example, ("PERMIT", "REJECT")) if text],
            files_delivered=len(files_of_the_day),
            files_released=len(new_files) - len(files_of_the_day) - len(files_resent),
            files_resent=len(files_resent),
            files_known=len(records) - len(new_files),
            chargeback_files=[_file(record) for record in new_files],
            acknowledgements=acknowledgements,
            filed=filed,
            breaks=breaks,
            accounts=sum(map(len, balances.values())),
            kpis=kpis,
            rings=list(rings["rings"].values()),
            report=self.adapters.settings.home / "reports" / f"daily_report_{today}.html",
            is_repeat=_is_repeat(truth, ingested.submitted),
            failed_checks=ingested.failed_checks,
            differences=differences,
        )


@contextmanager
def _key(adapters: Adapters, program: str) -> Iterator[str]:
    """A test key, revoked when the traffic has ended."""
    scopes = (Scope.AUTHORIZATIONS_WRITE.value, Scope.AUTHORIZATIONS_READ.value)
    created = adapters.programs.create_key(program, KEY_NAME, scopes, is_test=True)
    try:
        yield created.key
    finally:
        with suppress(Exception):
            adapters.programs.revoke_key(created.key_id)


@contextmanager
def _dbt_output_in(log: Path) -> Iterator[None]:
    """Send dbt's output to a file, which an error names."""
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log.open("w") as output, redirect_stderr(output):
            yield
    except CommandError as error:
        raise CommandError(f"{error}; dbt's output is in {log}.") from None


def _is_repeat(truth: Mapping[str, Any], submitted: Mapping[str, IntakeFile]) -> bool:
    return all(
        demo_truth.is_repeat(truth["files"][path], intake_file.outcome or FileOutcome())
        for path, intake_file in submitted.items()
        if truth["files"][path]["accepted"]
    )


def _counts(kind: Kind, submitted: Mapping[str, IntakeFile]) -> dict[str, Any]:
    """The counts of a kind's files together, as `cardops submit` has them for one."""
    outcomes = [
        intake_file.outcome
        for intake_file in submitted.values()
        if intake_file.arrival.kind == kind and intake_file.outcome
    ]
    applied = [outcome for outcome in outcomes if not outcome.error]
    total = total_outcome(applied)
    return {
        "files": len(outcomes),
        "refused": len(outcomes) - len(applied),
        **{name: getattr(total, name) for name in demo_truth.COUNTS},
        "reasons": total.reasons,
        "flags": total.flags,
        "totals": total.totals_minor,
    }


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
