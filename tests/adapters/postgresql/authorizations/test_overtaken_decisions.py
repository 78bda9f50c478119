"""A batch is decided again where something changes between its read and its write."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from cardops.adapters.postgresql.accounts.spending_limits import PostgresSpendingLimits
from cardops.adapters.postgresql.authorizations import authorizations as adapter
from cardops.adapters.postgresql.authorizations.authorizations import (
    LOCKED_BATCHES,
    WRITE_DEADLINE,
    PostgresAuthorizations,
)
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.adapters.postgresql.reconciliation.transaction_log import CLOCK_MARGIN
from cardops.adapters.postgresql.sessions import Pool, open_pool
from cardops.rules.accounts.spending_limits import LimitKind, SpendingLimit
from cardops.rules.authorizations.decisions import AuthorizationResponse
from tests.factories.authorizations import PROGRAM, USER, a_request
from tests.factories.waiting import until
from tests.oracles.ledger_totals import assert_books_add_up, rows
from tests.servers.killable_credit import credit_users

pytestmark = pytest.mark.database

ANNOUNCE = "insert into voided_ids (program, transaction_id) values (%s, %s)"
BLOCK = "insert into users (program, user_id, is_blocked) values (%s, %s, true)"
NEW_REVISION = "update accounts set revision = revision + 1 where user_id = %s"
WAITING = """
select pid from pg_stat_activity
where datname = current_database() and wait_event_type = 'Lock'
"""


async def until_waiting(url: str) -> None:
    await until(lambda: rows(url, WAITING), "a decision that waits for a lock")


@dataclass
class Overtaking:
    """A store whose first batch is overtaken by `overtake` after its read."""

    url: str
    store: PostgresAuthorizations
    pool: Pool
    statements: list[str]
    overtake: Callable[[], object]

    async def ask(self, transaction_id: str, **fields: Any) -> AuthorizationResponse:
        (response,) = await self.store.decide([a_request(transaction_id, **fields)])
        return response


@pytest.fixture
async def overtaking(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Overtaking]:
    pool = await open_pool(database_url)
    await pool.execute("insert into programs (program, currency) values ('default', 'USD')")
    credit_users(database_url, {USER: 1000, "other": 1000})
    created = Overtaking(database_url, PostgresAuthorizations(pool), pool, [], lambda: None)
    decide, read = adapter.decide_batch, adapter._read

    def decide_after_overtaking(*arguments: Any) -> Any:
        overtake, created.overtake = created.overtake, lambda: None
        overtake()
        return decide(*arguments)

    async def recorded_read(session: Any, statement: str, requests: Any) -> Any:
        created.statements.append(statement)
        return await read(session, statement, requests)

    monkeypatch.setattr(adapter, "decide_batch", decide_after_overtaking)
    monkeypatch.setattr(adapter, "_read", recorded_read)
    yield created
    pool.terminate()
    assert_books_add_up(database_url)


async def test_block_during_decision_is_obeyed(overtaking: Overtaking) -> None:
    programs = PostgresPrograms(overtaking.url)
    overtaking.overtake = lambda: programs.set_blocked(PROGRAM, USER, is_blocked=True)
    assert b'"account_blocked"' in (await overtaking.ask("t1", amount_minor=1)).body


async def test_block_during_wait_for_locks_is_obeyed(overtaking: Overtaking) -> None:
    # The statement that locks accounts began before the block, and got its locks after it.
    overtaking.store._locked_batches = 1
    with psycopg.connect(overtaking.url) as block, psycopg.connect(overtaking.url) as first:
        block.execute(NEW_REVISION, [USER])
        decision = asyncio.create_task(overtaking.ask("t1", amount_minor=1))
        await until_waiting(overtaking.url)
        first.execute(BLOCK, [PROGRAM, USER])
        first.commit()
        block.commit()
        assert b'"account_blocked"' in (await decision).body


async def test_block_of_another_user_overtakes_nothing(overtaking: Overtaking) -> None:
    programs = PostgresPrograms(overtaking.url)
    overtaking.overtake = lambda: programs.set_blocked(PROGRAM, "other", is_blocked=True)
    assert b'"PERMIT"' in (await overtaking.ask("t1", amount_minor=1)).body
    assert len(overtaking.statements) == 1


async def test_repeated_block_completes_one_that_was_killed(overtaking: Overtaking) -> None:
    def block_killed_and_again() -> None:
        with psycopg.connect(overtaking.url) as session:
            session.execute(BLOCK, [PROGRAM, USER])
        PostgresPrograms(overtaking.url).set_blocked(PROGRAM, USER, is_blocked=True)

    overtaking.overtake = block_killed_and_again
    assert b'"account_blocked"' in (await overtaking.ask("t1", amount_minor=1)).body


@pytest.mark.parametrize("user_id", [USER, ""])
async def test_limit_set_during_decision_is_obeyed(overtaking: Overtaking, user_id: str) -> None:
    limit = SpendingLimit(LimitKind.AUTHORIZATION, 99)
    limits = PostgresSpendingLimits(overtaking.url)
    overtaking.overtake = lambda: limits.change(PROGRAM, user_id, "USD", [limit], changed_by="test")
    assert b'"velocity_limit"' in (await overtaking.ask("t1", amount_minor=100)).body


async def test_void_during_decision_rejects_it(overtaking: Overtaking) -> None:
    def void() -> None:
        with psycopg.connect(overtaking.url) as session:
            session.execute(ANNOUNCE, [PROGRAM, "t1"])

    overtaking.overtake = void
    assert b'"voided_before_arrival"' in (await overtaking.ask("t1", amount_minor=1)).body
    assert rows(overtaking.url, "select status from decisions") == [("REJECT",)]


async def test_debit_during_decision_is_not_spent_twice(overtaking: Overtaking) -> None:
    def spend() -> None:
        with psycopg.connect(overtaking.url) as session:
            session.execute("update accounts set ledger_seq = 7 where user_id = 'user_1'")

    overtaking.overtake = spend
    responses = await overtaking.store.decide(
        [a_request("t1", amount_minor=400), a_request("t2", amount_minor=1, user_id="other")]
    )
    assert [b'"PERMIT"' in response.body for response in responses] == [True, True]
    assert b'"ledger_seq":8' in responses[0].body, "the response shows the state of its own commit"
    assert rows(overtaking.url, "select available_minor from accounts order by user_id") == [
        (999,), (600,),
    ]  # fmt: skip


async def test_batches_lock_first_for_a_while_after_a_conflict(overtaking: Overtaking) -> None:
    programs = PostgresPrograms(overtaking.url)
    overtaking.overtake = lambda: programs.set_blocked(PROGRAM, USER, is_blocked=False)
    for number in range(LOCKED_BATCHES + 3):
        await overtaking.ask(f"t{number}", amount_minor=1)
    is_locked = ["for update" in statement for statement in overtaking.statements]
    assert is_locked == [False, *[True] * (LOCKED_BATCHES + 1), False, False]


async def test_overtaken_decision_is_dated_after_the_change(
    overtaking: Overtaking,
) -> None:
    began = datetime.now(UTC)
    programs = PostgresPrograms(overtaking.url)
    overtaking.overtake = lambda: programs.set_blocked(PROGRAM, USER, is_blocked=True)
    await overtaking.ask("t1", amount_minor=1)
    ((decided_at, changed_at),) = rows(
        overtaking.url, "select decided_at, changed_at from decisions cross join users"
    )
    assert began < changed_at < decided_at


async def test_decision_past_write_deadline_is_decided_again(
    overtaking: Overtaking,
) -> None:
    # A day closes once all transactions that had an id soon after its end have ended.
    began = datetime.now(UTC)
    overtaking.overtake = lambda: time.sleep(WRITE_DEADLINE.total_seconds() + 0.1)
    assert b'"PERMIT"' in (await overtaking.ask("t1", amount_minor=1)).body
    assert len(overtaking.statements) == 2
    ((decided_at,),) = rows(overtaking.url, "select decided_at from decisions")
    assert decided_at > began + WRITE_DEADLINE


def test_write_deadline_is_below_clock_margin() -> None:
    assert WRITE_DEADLINE < CLOCK_MARGIN
