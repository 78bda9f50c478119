"""The database's disk fills up in the middle of a deposit file."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cardops.adapters.postgresql.connection import database
from cardops.adapters.postgresql.errors import DatabaseFullError, DatabaseUnavailableError
from cardops.rules.intake.files import StagingLostError
from cardops.settings import Settings
from tests.factories.databases import new_home
from tests.factories.intake import an_intake_file
from tests.oracles.deposit_books import ObservedPostgresDepositLedger
from tests.servers.killable_credit import rows_of_a_file

pytestmark = [pytest.mark.database, pytest.mark.soak, pytest.mark.timeout(900)]
FILE = an_intake_file(1)
ROWS = 100_000


def mount(folder: Path, options: str) -> bool:
    """Whether a file system in memory could be mounted there, or its size be changed."""
    command = ["mount", "-t", "tmpfs", "-o", options, "cardops-test", str(folder)]
    return os.geteuid() == 0 and not subprocess.run(command, check=False).returncode


# Too small for the log, which stops the server; and for the table alone, which ends a statement.
@pytest.fixture(params=["100m", "130m"])
def small_disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("CARDOPS_DATABASE_URL", "")
    with new_home() as home:
        if not mount(home, f"size={request.param},mode=0711"):
            pytest.skip("a small disk can be mounted by root alone")
        try:
            yield home
        finally:
            subprocess.run(["umount", "--lazy", str(home)], check=True)


def test_full_disk_in_a_file_loses_and_doubles_no_deposit(small_disk: Path) -> None:
    rows = rows_of_a_file(ROWS, ROWS // 3, "d")
    with database(Settings(home=small_disk)) as first:
        failures = []
        for _ in range(3):
            try:
                ObservedPostgresDepositLedger(first.url).credit(FILE, [rows])
            except (DatabaseFullError, DatabaseUnavailableError, StagingLostError) as error:
                failures.append(error)
        assert failures, "the disk was meant to be too small"
        assert mount(small_disk, "remount,size=1g")
    with database(Settings(home=small_disk)) as again:
        ledger = ObservedPostgresDepositLedger(again.url)
        ledger.credit(FILE, [rows])
        outcomes = dict(ledger.outcome(FILE).group_by("outcome").len().rows())
        accounts = [row for frame in ledger.accounts() for row in frame.rows()]

    assert outcomes == {"accepted": ROWS * 9 // 10, "conflicting_duplicate": ROWS // 10}
    assert sum(row[3] for row in accounts) == 500 * ROWS * 9 // 10
    assert sum(row[5] for row in accounts) == ROWS * 9 // 10, "sequences without gaps"
