"""A batch is decided again where something changes between its read and its write."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
from tests.oracles.ledger_totals import assert_books_add_up, rows
from tests.servers.killable_credit import credit_users

pytestmark = pytest.mark.database

VOID = """
with met as (update programs set revision = revision + 1)
insert into movements (
    program, transaction_id, kind, movement_key, status, reason_code, amount_minor, posted_minor,
    held_change_minor, ledger_seq, answer, posted_at
) values (%s, %s, 'void', '', 'PERMIT', 'void', 0, 0, 0, 0, '', now())
"""


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
    assert b'"account_blocked"' in (await overtaking.ask("t1")).body


async def test_limit_set_during_decision_is_obeyed(overtaking: Overtaking) -> None:
    limit = SpendingLimit(LimitKind.AUTHORIZATION, 99)
    limits = PostgresSpendingLimits(overtaking.url)
    overtaking.overtake = lambda: limits.change(PROGRAM, "", "USD", [limit], changed_by="test")
    assert b'"velocity_limit"' in (await overtaking.ask("t1", amount_minor=100)).body
    overtaking.store = PostgresAuthorizations(overtaking.pool)  # one without a conflict so far
    overtaking.overtake = lambda: limits.remove(PROGRAM, "", "USD", limit.key, changed_by="test")
    assert b'"PERMIT"' in (await overtaking.ask("t2", amount_minor=100)).body


async def test_void_during_decision_rejects_it(overtaking: Overtaking) -> None:
    def void() -> None:
        with psycopg.connect(overtaking.url) as session:
            session.execute(VOID, [PROGRAM, "t1"])

    overtaking.overtake = void
    assert b'"voided_before_arrival"' in (await overtaking.ask("t1")).body
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
    overtaking.overtake = lambda: programs.set_blocked(PROGRAM, "nobody", is_blocked=True)
    for number in range(LOCKED_BATCHES + 3):
        await overtaking.ask(f"t{number}", amount_minor=1)
    is_locked = ["for update" in statement for statement in overtaking.statements]
    assert is_locked == [False, *[True] * (LOCKED_BATCHES + 1), False, False]


async def test_overtaken_decision_is_dated_after_the_change(
    overtaking: Overtaking,
) -> None:
    began = datetime.now(UTC)
    programs = PostgresPrograms(overtaking.url)
    overtaking.overtake = lambda: programs.set_blocked(PROGRAM, "nobody", is_blocked=True)
    await overtaking.ask("t1")
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


async def test_decision_with_slow_clock_takes_locks(overtaking: Overtaking) -> None:
    overtaking.store = PostgresAuthorizations(
        overtaking.pool, now=lambda: datetime.now(UTC) - timedelta(seconds=4)
    )
    assert b'"PERMIT"' in (await overtaking.ask("t1", amount_minor=1)).body
    assert ["for update" in statement for statement in overtaking.statements] == [False, True]


def test_write_deadline_is_below_clock_margin() -> None:
    assert WRITE_DEADLINE < CLOCK_MARGIN
