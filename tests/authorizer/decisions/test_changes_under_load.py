"""Blocks, limits and early voids while many processes decide: prompt, and nothing overtakes them."""

import random
import statistics
import time
from collections.abc import Callable

import pytest

from cardops.adapters.postgresql.accounts.spending_limits import PostgresSpendingLimits
from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.rules.accounts.spending_limits import LimitKind, SpendingLimit
from tests.factories.authorizations import PROGRAM
from tests.oracles.ledger_totals import assert_books_add_up, rows
from tests.servers.deciding_process import MAX_AMOUNT_MINOR, USERS, Processes, deciding_processes
from tests.servers.killable_credit import credit_users

pytestmark = pytest.mark.database

LOW = SpendingLimit(LimitKind.AUTHORIZATION, MAX_AMOUNT_MINOR // 2)
# Nothing else changes an account here, so its position tells whether anything was permitted.
POSITION = "select ledger_seq from accounts where user_id = %s"
ABOVE_LOW = "select count(*) from decisions where status = 'PERMIT' and amount_minor > %s"
OPEN_AFTER_VOID = """
select d.transaction_id from decisions as d
left join holds as h using (program, transaction_id)
where d.transaction_id = any(%s) and d.status = 'PERMIT' and h.state <> 'voided'
"""


class Changes:
    """Changes as an operator makes them, each timed and then watched for a moment."""

    def __init__(self, url: str, seconds: float) -> None:
        self.url = url
        self.programs, self.limits = PostgresPrograms(url), PostgresSpendingLimits(url)
        self.chance = random.Random(1)  # noqa: S311 - must be reproducible
        self.ends_at = time.monotonic() + seconds
        self.blocks: list[float] = []
        # What a look at the database takes on this machine at that moment.
        self.looks: list[float] = []
        self.limit_changes: list[float] = []

    def make(self) -> None:
        while time.monotonic() < self.ends_at:
            self.block()
            self.limit("")
            self.limit(self.chance.choice(USERS))

    def block(self) -> None:
        user = self.chance.choice(USERS)
        self.looks.append(timed(lambda: rows(self.url, POSITION, user)))
        self.blocks.append(timed(lambda: self.programs.set_blocked(PROGRAM, user, is_blocked=True)))
        self.assert_unchanged(POSITION, user)
        self.programs.set_blocked(PROGRAM, user, is_blocked=False)

    def limit(self, user: str) -> None:
        self.limit_changes.append(
            timed(lambda: self.limits.change(PROGRAM, user, "USD", [LOW], changed_by="test"))
        )
        if user:
            self.assert_unchanged(f"{ABOVE_LOW} and user_id = %s", LOW.max_amount_minor, user)
        else:
            self.assert_unchanged(ABOVE_LOW, LOW.max_amount_minor)
        self.limits.remove(PROGRAM, user, "USD", LOW.key, changed_by="test")

    def assert_unchanged(self, query: str, *arguments: object) -> None:
        """Nothing is permitted once the change has returned."""
        before = rows(self.url, query, *arguments)
        time.sleep(0.1)
        assert rows(self.url, query, *arguments) == before


def timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def assert_voids_won(url: str, processes: Processes) -> tuple[int, int]:
    """No voided id is held or captured; returns the number of voids and of decisions."""
    results = processes.stop()
    voided = {name for result in results for name in result["voided"]}
    decided = sum(result["decided"] for result in results)
    undecided = sum(result["undecided"] for result in results)
    assert rows(url, OPEN_AFTER_VOID, sorted(voided)) == []
    assert undecided < decided / 100
    return len(voided), decided


@pytest.fixture
def funded_url(database_url: str) -> str:
    with connect(database_url) as session:
        session.execute("insert into programs (program, currency) values ('default', 'USD')")
    credit_users(database_url, dict.fromkeys(USERS, 100_000_000))
    return database_url


def test_nothing_is_permitted_after_a_change_returned(funded_url: str) -> None:
    with deciding_processes(funded_url, 3) as processes:
        changes = Changes(funded_url, 1.5)
        changes.make()
        voids, decided = assert_voids_won(funded_url, processes)
    assert max(changes.blocks + changes.limit_changes) < 2.0
    assert min(voids, decided) > 0
    assert_books_add_up(funded_url)


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_changes_are_prompt_beside_sixteen_processes(
    funded_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with deciding_processes(funded_url, 16) as processes:
        changes = Changes(funded_url, 45)
        changes.make()
        voids, decided = assert_voids_won(funded_url, processes)
    blocks, limits = sorted(changes.blocks), sorted(changes.limit_changes)
    look = statistics.median(changes.looks)
    with capsys.disabled():
        print(  # noqa: T201 - the figures of a long round
            f"\n{len(blocks)} blocks: median {statistics.median(blocks):.3f}, slowest "
            f"{blocks[-1]:.3f} s (a look: {look:.3f}); {len(limits)} limits: median {statistics.median(limits):.3f}, "
            f"slowest {limits[-1]:.3f} s; {voids} voided ids, {decided} decisions"
        )
    # Sixteen busy processes leave none of the processor to an operator; a block is two more turns.
    assert statistics.median(blocks) < max(0.1, 3 * look)
    assert blocks[-1] < 1.0 + 3 * look
    assert limits[-1] < 3.0 + 3 * look
    assert_books_add_up(funded_url)
