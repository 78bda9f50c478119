"""A day that is killed at every dangerous place ends as a day that was never killed."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cardops.adapters.postgresql.connection import connect, database
from cardops.adapters.secrets import secret_store
from cardops.adapters.settings import Settings
from simulation.card_companies import CardCompanies
from simulation.generator import generate
from tests.builders.servers import card_companies

pytestmark = [pytest.mark.database, pytest.mark.dagster]

SCRIPT = Path(__file__).parent / "one_day.py"
ROOT = Path(__file__).resolve().parents[2]
# What a second clock or a second database makes different and nobody reads money from.
VOLATILE = {"occurred_at", "intake_id"}


@dataclass(frozen=True)
class Ending:
    """Everything that must not depend on whether the day was killed."""

    files: list[tuple[Any, ...]]
    accounts: list[tuple[Any, ...]]
    decisions: list[tuple[Any, ...]]
    deposit_count: int
    lake_rows: dict[str, str]
    delivered: dict[str, str]
    deliveries: list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("day")
    generate(rows=250, seed=11, history_end=date(2026, 11, 1), out=folder)
    return folder


def run(home: Path, day: Path, *, die: str | None = None) -> int:
    environment = {**os.environ, "CARDOPS_HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(SCRIPT), str(day), *(["--die", die] if die else [])]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr[-3000:]
    return done.returncode


def ending(home: Path) -> Ending:
    with database(Settings(home=home)) as addresses, connect(addresses.url) as session:

        def ask(query: str) -> list[tuple[Any, ...]]:
            return session.execute(query).fetchall()  # type: ignore[call-overload] # fixed texts

        return Ending(
            files=ask(
                "select key, status, outcome - 'quarantine_path' from intake_files order by 1"
            ),
            accounts=ask("select * from accounts order by 1, 2, 3"),
            decisions=ask(
                "select transaction_id, status, remaining_minor from decisions order by 1"
            ),
            deposit_count=ask("select count(*) from deposit_events")[0][0],
            lake_rows=lake_rows(home / "lake"),
            delivered=delivered(home),
            deliveries=ask(
                "select batch_id, network, sequence, file_name, content_sha256, state"
                " from deliveries order by 1, 2"
            ),
        )


def lake_rows(lake: Path) -> dict[str, str]:
    """A digest of each table's rows, whatever files they are in."""
    digests = {}
    for table in sorted(path.name for path in lake.iterdir()):
        files = sorted((lake / table).rglob("*.parquet"))
        rows = pl.concat([pl.read_parquet(file).drop(VOLATILE, strict=False) for file in files])
        text = sorted(str(row) for row in rows.iter_rows())
        digests[f"{table} ({rows.height} rows)"] = hashlib.sha256(
            "".join(text).encode()
        ).hexdigest()
    return digests


def delivered(home: Path) -> dict[str, str]:
    inboxes = CardCompanies(home).folder
    return {
        str(file.relative_to(inboxes)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(inboxes.glob("*/inbox/*"))
    }


@contextmanager
def companies_of(home: Path) -> Iterator[None]:
    with card_companies(home) as server:
        CardCompanies(home).introduce(secret_store(Settings(home=home)), server.port)
        yield


@pytest.fixture(scope="module")
def undisturbed(day: Path, tmp_path_factory: pytest.TempPathFactory) -> Ending:
    home = tmp_path_factory.mktemp("undisturbed")
    home.chmod(0o711)
    with companies_of(home):
        assert run(home, day) == 0
        return ending(home)


@pytest.mark.timeout(600)
def test_a_day_killed_at_every_dangerous_place_ends_as_one_that_was_not(
    day: Path, undisturbed: Ending, tmp_path: Path
) -> None:
    with companies_of(tmp_path):
        for place in ("merge", "rename", "lake", "export"):
            assert run(tmp_path, day, die=place) == -signal.SIGKILL, f"did not die at {place}"
        assert run(tmp_path, day) == 0
        killed = ending(tmp_path)

    assert killed.files == undisturbed.files
    assert killed.accounts == undisturbed.accounts
    assert killed.decisions == undisturbed.decisions
    assert killed.deposit_count == undisturbed.deposit_count
    assert killed.lake_rows == undisturbed.lake_rows
    assert killed.deliveries == undisturbed.deliveries
    assert killed.delivered == undisturbed.delivered


def test_an_undisturbed_day_delivers_at_most_four_whole_files_a_batch(undisturbed: Ending) -> None:
    csvs = [name for name in undisturbed.delivered if name.endswith(".csv")]

    assert 1 <= len(csvs) <= 4
    assert all(f"{name}.ctl" in undisturbed.delivered for name in csvs)
    assert not [name for name in undisturbed.delivered if name.endswith(".part")]
    assert {state for *_, state in undisturbed.deliveries} == {"delivered"}
