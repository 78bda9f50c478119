"""A deposit file all the way: real ledgers in PostgreSQL, real directories."""

import hashlib
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import psycopg
import pytest

from cardops.adapters.postgresql.accounts import deposits
from cardops.adapters.postgresql.accounts.staging import Chunk, Stage
from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.intake.known_rows import PostgresKnownRows
from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.adapters.postgresql.intake.source_controls import PostgresSourceControls
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.rules.intake.files import Arrival, FileStatus, Kind
from cardops.services.intake.applying import CreditDeposits
from cardops.services.intake.ingestion import ingest_file
from cardops.services.intake.ports import IntakePorts
from tests.factories.deposit_desk import DepositDesk, a_line
from tests.factories.intake_environment import csv_file
from tests.fakes.clock import FakeClock
from tests.fakes.lake import FakeLake
from tests.fakes.object_store import FakeObjectStore
from tests.oracles.deposit_books import ObservedPostgresDepositLedger

pytestmark = pytest.mark.database

CONTENT = csv_file(
    "user_id,amount,deposit_id,timestamp",
    "u1,25.00,d1,2026-11-20T10:00:00Z",
    "u1,25,d1,2026-11-20T10:00:00Z",
    "u1,26,d1,2026-11-20T10:00:00Z",
    "u2,1.50,d2,2026-11-20T10:00:00Z",
    "u2,1.505,d3,2026-11-20T10:00:00Z",
).encode()


def test_file_is_credited_once_and_counts_the_same_again(database_url: str, tmp_path: Path) -> None:
    deposit_ledger = ObservedPostgresDepositLedger(database_url)
    ports = IntakePorts(
        raw_store=FakeObjectStore(contents={"incoming/deposits/a.csv": CONTENT}),
        failed_store=FakeObjectStore(),
        lake=FakeLake(),
        intake_ledger=PostgresIntakeLedger(database_url),
        known_rows=PostgresKnownRows(database_url),
        programs=PostgresPrograms(database_url),
        source_controls=PostgresSourceControls(database_url),
        clock=FakeClock(datetime(2026, 11, 20, 12, tzinfo=UTC)),
        appliers={"deposit_ledger": CreditDeposits(deposit_ledger)},
    )
    digest = hashlib.sha256(CONTENT).hexdigest()
    key = "incoming/deposits/a.csv"
    arrival = Arrival(
        Kind("deposits"), "default", "memory://store", key, "v1", digest, len(CONTENT)
    )
    intake_file, _ = ports.intake_ledger.claim(arrival, date(2026, 11, 20))

    first = ingest_file(intake_file.intake_id, ports).outcome
    again = ingest_file(intake_file.intake_id, ports).outcome

    assert (first.read, first.accepted, first.duplicate, first.quarantined) == (5, 2, 1, 2)
    assert first.reasons == {"conflicting_duplicate": 1, "too_many_fraction_digits": 1}
    assert first.totals_minor == {"USD": 2650}
    assert again == first
    account = deposit_ledger.account("default", "u1", "USD")
    assert account is not None
    assert account.available_minor == 2500
    assert ports.intake_ledger.find(intake_file.intake_id).status is FileStatus.APPLIED


def test_deposits_beyond_the_largest_balance_cost_no_other_row(
    database_url: str, tmp_path: Path
) -> None:
    desk = DepositDesk(database_url, tmp_path)
    largest = "90071992547409.91"  # 2^53 - 1 cents, of which 1,024 fit into a balance
    lines = [a_line(f"d{n}", largest, "u1") for n in range(1026)]

    done = desk.submit(*lines, a_line("s", "10.23", "u1"), a_line("v", largest, "u2"))

    assert (done["read"], done["accepted"], done["quarantined"]) == (1028, 1026, 2)
    assert done["reasons"] == {"amount_out_of_range": 2}
    assert desk.balances() == {"u1": 2**63 - 1, "u2": 2**53 - 1}
    stored = desk.intake_ledger.find(1).outcome
    assert stored is not None
    assert stored.totals_minor == {"USD": 2**63 + 2**53 - 2}
    assert len(desk.in_lake()) == 1026


def test_file_whose_stage_is_lost_in_a_crash_is_staged_again(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash of the database empties unlogged tables; the run need not fail for it."""
    desk = DepositDesk(database_url, tmp_path)
    real, losses = deposits.credit_chunk, iter([True, True, False])

    def lose_stage_before(session: psycopg.Connection, stage: Stage, chunk: Chunk) -> pl.DataFrame:
        if next(losses):
            with connect(database_url) as other:
                other.execute(stage.sql("delete from {stage}"))
        return real(session, stage, chunk)

    monkeypatch.setattr(deposits, "credit_chunk", lose_stage_before)
    done = desk.submit(a_line("d1", "1.00"), a_line("d2", "2.00", "u2"))

    assert (done["accepted"], done["quarantined"]) == (2, 0)
    assert desk.balances() == {"u1": 100, "u2": 200}


def test_small_files_together_are_recalled_released_and_counted_one_by_one(
    database_url: str, tmp_path: Path
) -> None:
    desk = DepositDesk(database_url, tmp_path)
    for number in range(4):
        own, bad = a_line(f"d{number}", "1.00"), a_line(f"e{number}", "1.005")
        desk.drop(own, a_line("d0", "1.00"), bad, key=f"incoming/deposits/{number}.csv")

    first, *others = desk.materialize()

    assert (first.outcome.accepted, first.outcome.duplicate) == (1, 1)
    assert {(done.outcome.accepted, done.outcome.duplicate) for done in others} == {(1, 1)}
    assert {desk.intake_ledger.find(number).lake_file_id for number in range(1, 5)} == {1}
    assert len(list((tmp_path / "lake").rglob("*.parquet"))) == 1
    assert (desk.balances(), desk.file_breaks()) == ({"u1": 400}, [])

    assert desk.recall(2).totals_minor == {"USD": 100}
    assert [name for name, _ in desk.in_lake()] == ["d0", "d2", "d3"]
    assert (desk.balances(), desk.file_breaks()) == ({"u1": 300}, [])
    released = desk.submissions.release(desk.intake_ledger.find(3), [])
    assert (released["read"], released["quarantined"]) == (1, 1)
    assert desk.reinstate(2).totals_minor == {"USD": 100}
    again = desk.materialize()
    assert [done.outcome.accepted for done in again[:4]] == [1, 1, 1, 1]
    assert [name for name, _ in desk.in_lake()] == ["d0", "d1", "d2", "d3"]
    assert (desk.balances(), desk.file_breaks()) == ({"u1": 400}, [])
