"""Deposit files as an operator handles them: real ledgers in PostgreSQL, real directories, no Dagster."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cardops.adapters.clock import SystemClock
from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.adapters.postgresql.accounts.deposits import PostgresDepositLedger
from cardops.adapters.postgresql.intake.known_rows import PostgresKnownRows
from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.adapters.postgresql.intake.source_controls import PostgresSourceControls
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.adapters.postgresql.reconciliation.books import PostgresBooks
from cardops.adapters.warehouse.lake import ParquetLake
from cardops.contracts.lake.reconciliation import file_breaks
from cardops.rules.intake.files import IntakeFile, Kind
from cardops.rules.intake.source_controls import SourcePolicy
from cardops.rules.programs.programs import Program
from cardops.services.accounts.deposit_files import DEPOSITS, DepositFileKey
from cardops.services.accounts.recalls import Recall, RecallService
from cardops.services.accounts.reinstatements import Reinstatement, ReinstatementService
from cardops.services.intake.applying import CreditDeposits
from cardops.services.intake.claiming import Claims
from cardops.services.intake.held_files import HeldFiles
from cardops.services.intake.ingestion import ingest_files
from cardops.services.intake.ports import IngestResult, IntakePorts
from cardops.services.intake.submission import Submission, Submissions
from cardops.services.reconciliation.recount import recount_files
from tests.fakes.delivery_ledger import FakeDeliveryLedger
from tests.oracles.ledger_totals import assert_books_add_up, rows

HEADER = "user_id,amount,deposit_id,timestamp,currency"


def a_line(deposit_id: str, amount: str, user_id: str = "u1", currency: str = "USD") -> str:
    return f"{user_id},{amount},{deposit_id},2026-03-01T00:00:00Z,{currency}"


@dataclass
class Run:
    """A run of the intake, as IntakeRuns returns it."""

    run_id: str | None = "run-1"
    failed_checks: Sequence[str] = ()
    released: Sequence[str] = ()


class DepositDesk:
    """One home: its database and the folders beside it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.intake_ledger, self.deposit_ledger = (
            PostgresIntakeLedger(url),
            PostgresDepositLedger(url),
        )
        self.lake = ParquetLake(DirectoryStore(folder / "lake"), folder / "mirror")
        self.raw_store, self.failed_store = (
            DirectoryStore(folder / "raw"),
            DirectoryStore(folder / "failed"),
        )
        self.ports = IntakePorts(
            raw_store=self.raw_store,
            failed_store=self.failed_store,
            lake=self.lake,
            intake_ledger=self.intake_ledger,
            known_rows=PostgresKnownRows(url),
            programs=PostgresPrograms(url),
            source_controls=PostgresSourceControls(url),
            clock=SystemClock(),
            appliers={"deposit_ledger": CreditDeposits(self.deposit_ledger)},
        )
        self.ports.programs.create(Program("default"))
        self.recalls = RecallService(self.intake_ledger, self.deposit_ledger, self.lake)

    def ingest_file(self, kind: Kind, files: Sequence[IntakeFile]) -> Run:
        ingest_files(files, [file.intake_id for file in files], self.ports)
        return Run()

    def deliver(self, batch_id: str) -> None:
        raise AssertionError(f"batch {batch_id} was to be delivered, but deposits have none")

    @property
    def submissions(self) -> Submissions:
        return Submissions(
            claims=Claims(
                self.raw_store,
                self.failed_store,
                self.intake_ledger,
                self.ports.programs,
                self.ports.clock,
            ),
            runs=self,
            source_controls=self.ports.source_controls,
            delivery_ledger=FakeDeliveryLedger(),
            processed_store=self.raw_store,
            default_currency="USD",
            report=lambda remark: None,
        )

    def file(self, *lines: str, name: str = "deposits.csv") -> Path:
        path = self.folder / name
        path.write_text("\n".join([HEADER, *lines, ""]))
        return path

    def submit(self, *lines: str, by: str | None = None) -> dict[str, Any]:
        submission = Submission(self.file(*lines), DEPOSITS, "default", submitted_by=by)
        return self.submissions.submit(submission)

    def drop(self, *lines: str, key: str) -> IntakeFile:
        """A file put under incoming/ and claimed, as the sensor does it; not ingested yet."""
        self.raw_store.create(key, self.file(*lines))
        claims = self.submissions.claims
        (claimed,) = claims.claim(DEPOSITS, [claims.listed(key)])
        return claimed

    def materialize(self) -> list[IngestResult]:
        """Every file of today, as a backfill of the date does it."""
        today = self.ports.clock.now().date()
        return ingest_files(self.intake_ledger.claimed_on(DEPOSITS, today), (), self.ports)

    def recall(self, intake_id: int, *, by: str = "ops") -> Recall:
        return self.recalls.recall(str(intake_id), DepositFileKey(intake_id=intake_id), by)

    def reinstate(self, intake_id: int, *, by: str = "boss") -> Reinstatement:
        service = ReinstatementService(self.submissions, self.deposit_ledger)
        return service.reinstate(
            str(intake_id), DepositFileKey(intake_id=intake_id), by, "a mistake"
        )

    @property
    def held_files(self) -> HeldFiles:
        return HeldFiles(
            self.ports.source_controls,
            self.intake_ledger,
            self.raw_store,
            self.failed_store,
            self.ports.clock,
        )

    def approve(self, intake_id: int, *, by: str = "boss") -> dict[str, Any]:
        """As `cardops deposits approve` does it."""
        entry = self.held_files.approve(intake_id, by, "seen with the bank")
        submission = Submission(Path(entry.arrival.key), DEPOSITS, "default")
        return self.submissions.resume(submission, entry)

    def reject(self, intake_id: int) -> IntakeFile:
        return self.held_files.reject(intake_id, "boss", "not ours")

    def cap(self, amount_minor: int) -> None:
        policy = SourcePolicy(caps_minor={"USD": amount_minor})
        self.ports.source_controls.set_policy("default", policy, "ops")

    def status(self, intake_id: int = 1) -> str:
        return self.intake_ledger.find(intake_id).status.value

    def balances(self) -> dict[str, int]:
        """Available minor units by user, after comparing every balance with its postings."""
        assert_books_add_up(self.url, may_be_negative=True)
        assert rows(self.url, SEQUENCE_GAPS) == []
        return dict(
            rows(self.url, "select user_id, available_minor from accounts order by user_id")
        )

    def in_lake(self) -> list[tuple[str, int]]:
        """Deposit ids and amounts in the lake."""
        table = self.lake.scan("deposits")
        assert table is not None
        return table.select("deposit_id", "amount_minor").sort("deposit_id").collect().rows()

    def file_breaks(self) -> list[tuple[Any, ...]]:
        """What is wrong with the files in store and lake, and by a recount of the raw ones."""
        books, today = PostgresBooks(self.url), self.ports.clock.now().date()
        files = file_breaks(books.deposit_files(today), self.lake.scan("deposits"))
        recounted = recount_files(books.counted_files(today), self.raw_store, books)
        return [*files.rows(), *recounted.found.rows(), *books.breaks(today).rows()]


SEQUENCE_GAPS = """
select program, user_id, currency from accounts as a
where ledger_seq <> (
    select count(*) from postings as p
    where (p.program, p.user_id, p.currency) = (a.program, a.user_id, a.currency)
)
"""
