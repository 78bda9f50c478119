"""Chunks of credits are committed without a flush: what a killed database keeps all the same."""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Thread

import polars as pl
import psycopg
import pytest

from cardops.adapters.postgresql.accounts.staging import Stage
from cardops.adapters.postgresql.connection import connect, database
from cardops.adapters.postgresql.errors import DatabaseUnavailableError
from cardops.rules.intake.files import StagingLostError
from cardops.settings import Settings
from tests.factories.databases import new_home
from tests.factories.intake import Deposit, an_intake_file, staged
from tests.oracles.deposit_books import ObservedPostgresDepositLedger
from tests.servers.killable_credit import rows_of_a_file

pytestmark = pytest.mark.database
FILE = an_intake_file(1)
ROWS = staged([Deposit("d-1")])


class KilledError(Exception):
    """The database was killed here."""


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The embedded server's, even where other tests run on a given one."""
    monkeypatch.setenv("CARDOPS_DATABASE_URL", "")
    with new_home() as path:
        yield path


def write_only_at_commits(url: str) -> None:
    """The server's own writer of its log sleeps: only a flushing commit leaves memory."""
    with connect(url) as session:
        session.execute("alter system set wal_writer_delay = '10s'")
        session.execute("alter system set wal_writer_flush_after = '1GB'")
        session.execute("select pg_reload_conf()")
        session.execute("checkpoint")
    time.sleep(0.5)  # the writer's last sleep of the old length


def kill_database(home: Path) -> None:
    file = home / "postgres" / "cluster" / "data" / "postmaster.pid"
    os.kill(int(file.read_text().split("\n", 1)[0]), signal.SIGKILL)


def test_credited_file_survives_a_killed_database(home: Path) -> None:
    with database(Settings(home=home)) as first:
        write_only_at_commits(first.url)
        ObservedPostgresDepositLedger(first.url).credit(FILE, [ROWS])
        kill_database(home)
        with database(Settings(home=home)) as again:
            ledger = ObservedPostgresDepositLedger(again.url)
            account = ledger.account("default", "user_1", "USD")
            with pytest.raises(StagingLostError):  # a crash empties the stage
                ledger.outcome(FILE)
            ledger.credit(FILE, [ROWS])
            outcomes = ledger.outcome(FILE).get_column("outcome").to_list()
            unchanged = ledger.account("default", "user_1", "USD")

    assert account is not None
    assert account.available_minor == 500
    assert unchanged == account
    assert outcomes == ["accepted"]


def test_spent_credit_survives_a_database_killed_in_the_merge(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spend = "update accounts set available_minor = 100, ledger_seq = ledger_seq + 1"

    def kill_after_spending(_: Stage, session: psycopg.Connection) -> None:
        with connect(str(addresses.url)) as other:
            assert other.execute(spend).rowcount == 1
        kill_database(home)
        raise KilledError

    with database(Settings(home=home)) as addresses:
        write_only_at_commits(addresses.url)
        monkeypatch.setattr(Stage, "finish", kill_after_spending)
        with pytest.raises(KilledError):
            ObservedPostgresDepositLedger(addresses.url).credit(FILE, [ROWS])
        monkeypatch.undo()
        monkeypatch.setenv("CARDOPS_DATABASE_URL", "")
        with database(Settings(home=home)) as again:
            ledger = ObservedPostgresDepositLedger(again.url)
            ledger.credit(FILE, [ROWS])
            account = ledger.account("default", "user_1", "USD")
            posted = ledger.account_totals("default", "user_1", "USD")

    assert account is not None
    assert (account.available_minor, account.ledger_seq, posted.deposits_minor) == (100, 2, 500)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_database_killed_at_random_moments_of_a_load_credits_once(home: Path) -> None:
    rows = rows_of_a_file(20_000, 4_000, "d")
    with ExitStack() as joined:
        for _ in range(10):
            url = joined.enter_context(database(Settings(home=home))).url
            loading = Thread(target=credit_until_killed, args=(url, rows))
            loading.start()
            time.sleep(random.uniform(0.5, 3.0))  # noqa: S311 - no secret
            kill_database(home)
            loading.join()
        ledger = ObservedPostgresDepositLedger(
            joined.enter_context(database(Settings(home=home))).url
        )
        ledger.credit(FILE, [rows])
        outcomes = dict(ledger.outcome(FILE).group_by("outcome").len().rows())
        accounts = [row for frame in ledger.accounts() for row in frame.rows()]

    assert outcomes == {"accepted": 18_000, "conflicting_duplicate": 2_000}
    assert sum(row[3] for row in accounts) == 18_000 * 500
    assert sum(row[5] for row in accounts) == 18_000, "sequences without gaps"


def credit_until_killed(url: str, rows: pl.DataFrame) -> None:
    with suppress(DatabaseUnavailableError, StagingLostError, psycopg.Error):
        ObservedPostgresDepositLedger(url).credit(FILE, [rows])
