"""Whole days through the real pipeline, each on an instance of its own, and their results."""

import hashlib
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cardops.adapters.object_stores.opening import open_store
from cardops.adapters.postgresql.connection import connect, database
from cardops.adapters.secrets import secret_store
from cardops.adapters.warehouse.lake import ParquetLake
from cardops.contracts.lake.tables import lake_tables
from cardops.settings import Settings
from simulation.card_companies import CardCompanies
from tests.servers.file_servers import card_companies
from tests.servers.killable_day import run_and_die
from tests.servers.warm_command import WarmProcess

ROOT = Path(__file__).resolve().parents[2]
DAY_TIMEOUT_SECONDS = 400
# Columns that differ between clocks and databases and have no money in them.
VOLATILE = {
    "occurred_at",
    "intake_id",
    "made_at",
    "delivered_at",
    "acknowledged_at",
    "attempt_count",
}


@dataclass(frozen=True)
class Instance:
    """A home, and its settings that differ from the defaults."""

    home: Path
    overrides: Mapping[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return Settings(**self._all())

    @property
    def environment(self) -> dict[str, str]:
        """For a process of this instance."""
        settings = {f"CARDOPS_{name.upper()}": value for name, value in self._all().items()}
        return {**os.environ, **settings, "PYTHONPATH": str(ROOT)}

    @property
    def lake(self) -> ParquetLake:
        return ParquetLake(open_store(self.settings.store_url("lake")), self.home / "lake-mirror")

    def run(self, day: Path, *, die: str | None = None) -> int:
        """Ingest the day's files, spend and close, in a process that may kill itself at a step."""
        process = WarmProcess(self.environment, ROOT, DAY_TIMEOUT_SECONDS)
        done = process.run(run_and_die, day, die)
        assert done.returncode in {0, -signal.SIGKILL}, done.stderr[-3000:]
        return done.returncode

    def _all(self) -> dict[str, Any]:
        # Empty: the embedded server, whatever this process was given.
        return {"home": str(self.home), "database_url": "", **self.overrides}


@dataclass(frozen=True)
class Ending:
    """Results that must not depend on where a day ran or whether it was killed."""

    files: list[tuple[Any, ...]]
    accounts: list[tuple[Any, ...]]
    decisions: list[tuple[Any, ...]]
    deposit_count: int
    lake_rows: dict[str, str]
    delivered: dict[str, str]
    deliveries: list[tuple[Any, ...]]


def ending(instance: Instance) -> Ending:
    with database(instance.settings) as addresses, connect(addresses.url) as session:

        def ask(query: str) -> list[tuple[Any, ...]]:
            return session.execute(query).fetchall()

        return Ending(
            files=ask(
                "select key, status, outcome - 'quarantine_path' from intake_files"
                ' order by key collate "C"'
            ),
            accounts=ask('select * from accounts order by 1, user_id collate "C", 3'),
            decisions=ask(
                "select transaction_id, status, remaining_minor from decisions"
                ' order by transaction_id collate "C"'
            ),
            deposit_count=ask("select count(*) from deposit_events")[0][0],
            lake_rows=lake_rows(instance.lake),
            delivered=delivered(instance.home),
            deliveries=ask(
                "select batch_id, network, sequence, file_name, content_sha256, state"
                " from deliveries order by 1, 2"
            ),
        )


def lake_rows(lake: ParquetLake) -> dict[str, str]:
    """A digest of each table's rows, whatever files they are in."""
    digests = {}
    for table in sorted(lake_tables()):
        frame = lake.scan(table)
        if frame is None:
            continue
        rows = frame.collect().drop(VOLATILE, strict=False)
        text = "".join(sorted(str(row) for row in rows.iter_rows()))
        digests[f"{table} ({rows.height} rows)"] = hashlib.sha256(text.encode()).hexdigest()
    return digests


def delivered(home: Path) -> dict[str, str]:
    """Digest by path of what the card companies received."""
    inboxes = CardCompanies(home).folder
    return {
        str(file.relative_to(inboxes)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(inboxes.glob("*/inbox/*"))
    }


@contextmanager
def companies_of(instance: Instance) -> Iterator[None]:
    """The card companies, as that instance's destinations."""
    with card_companies(instance.home) as server:
        CardCompanies(instance.home).introduce(secret_store(instance.settings), server.port)
        yield
