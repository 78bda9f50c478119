"""A large file loaded by two processes that are killed again and again is credited once."""

import random
import time

import pytest

from tests.factories.intake import an_intake_file
from tests.oracles.deposit_books import ObservedPostgresDepositLedger
from tests.servers.killable_credit import rows_of_a_file, start_crediting

pytestmark = [pytest.mark.database, pytest.mark.soak, pytest.mark.timeout(3600)]
FILE = an_intake_file(1)
ROWS, USERS, MOMENTS = 200_000, 60_000, 30


def test_load_killed_at_thirty_moments_credits_each_deposit_once(database_url: str) -> None:
    for _ in range(MOMENTS):
        racing = [
            start_crediting(database_url, 1, rows=ROWS, users=USERS, chunk_rows=0) for _ in range(2)
        ]
        time.sleep(random.uniform(2.0, 12.0))  # noqa: S311 - no secret
        for process in racing:
            process.kill()
            process.wait()
    ledger = ObservedPostgresDepositLedger(database_url)

    ledger.credit(FILE, [rows_of_a_file(ROWS, USERS, "d")])

    outcomes = dict(ledger.outcome(FILE).group_by("outcome").len().rows())
    assert outcomes == {"accepted": ROWS * 9 // 10, "conflicting_duplicate": ROWS // 10}
    accounts = [row for frame in ledger.accounts() for row in frame.rows()]
    assert sum(row[3] for row in accounts) == 500 * ROWS * 9 // 10
    assert sum(row[5] for row in accounts) == ROWS * 9 // 10, "sequences without gaps"
    totals = [row for frame in ledger.posting_totals() for row in frame.rows()]
    assert sorted(row[:4] for row in totals) == sorted(row[:4] for row in accounts)
