"""Something changes between the reading of a batch and its writing: it is decided again."""

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
class Meeting:
    """Decisions of a store in which the first batch is overtaken, after it was read."""

    url: str
    store: PostgresAuthorizations
    pool: Pool
    statements: list[str]
    overtake: Callable[[], object]

    async def ask(self, transaction_id: str, **fields: Any) -> AuthorizationResponse:
        (response,) = await self.store.decide([a_request(transaction_id, **fields)])
        return response


@pytest.fixture
async def meeting(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Meeting]:
    pool = await open_pool(database_url)
    await pool.execute("insert into programs (program, currency) values ('default', 'USD')")
    credit_users(database_url, {USER: 1000, "other": 1000})
    made = Meeting(database_url, PostgresAuthorizations(pool), pool, [], lambda: None)
    decide, read = adapter.decide_batch, adapter._read

    def decide_after_it(*arguments: Any) -> Any:
        overtake, made.overtake = made.overtake, lambda: None
        overtake()
        return decide(*arguments)

    async def noted(session: Any, statement: str, requests: Any) -> Any:
        made.statements.append(statement)
        return await read(session, statement, requests)

    monkeypatch.setattr(adapter, "decide_batch", decide_after_it)
    monkeypatch.setattr(adapter, "_read", noted)
    yield made
    pool.terminate()
    assert_books_add_up(database_url)


async def test_block_during_decision_is_obeyed(meeting: Meeting) -> None:
    programs = PostgresPrograms(meeting.url)
    meeting.overtake = lambda: programs.set_blocked(PROGRAM, USER, is_blocked=True)
    assert b'"account_blocked"' in (await meeting.ask("t1")).body


async def test_limit_set_during_decision_is_obeyed(meeting: Meeting) -> None:
    limit = SpendingLimit(LimitKind.AUTHORIZATION, 99)
    limits = PostgresSpendingLimits(meeting.url)
    meeting.overtake = lambda: limits.change(PROGRAM, "", "USD", [limit], changed_by="test")
    assert b'"velocity_limit"' in (await meeting.ask("t1", amount_minor=100)).body
    meeting.store = PostgresAuthorizations(meeting.pool)  # one that has met nobody yet
    meeting.overtake = lambda: limits.remove(PROGRAM, "", "USD", limit.key, changed_by="test")
    assert b'"PERMIT"' in (await meeting.ask("t2", amount_minor=100)).body


async def test_void_during_decision_rejects_it(meeting: Meeting) -> None:
    def void() -> None:
        with psycopg.connect(meeting.url) as session:
            session.execute(VOID, [PROGRAM, "t1"])

    meeting.overtake = void
    assert b'"voided_before_arrival"' in (await meeting.ask("t1")).body
    assert rows(meeting.url, "select status from decisions") == [("REJECT",)]


async def test_debit_during_decision_is_not_spent_twice(meeting: Meeting) -> None:
    def spend() -> None:
        with psycopg.connect(meeting.url) as session:
            session.execute("update accounts set ledger_seq = 7 where user_id = 'user_1'")

    meeting.overtake = spend
    responses = await meeting.store.decide(
        [a_request("t1", amount_minor=400), a_request("t2", amount_minor=1, user_id="other")]
    )
    assert [b'"PERMIT"' in response.body for response in responses] == [True, True]
    assert b'"ledger_seq":8' in responses[0].body, (
        "what stands in the answer was true of its commit"
    )
    assert rows(meeting.url, "select available_minor from accounts order by user_id") == [
        (999,), (600,),
    ]  # fmt: skip


async def test_batches_lock_first_for_a_while_after_a_conflict(meeting: Meeting) -> None:
    programs = PostgresPrograms(meeting.url)
    meeting.overtake = lambda: programs.set_blocked(PROGRAM, "nobody", is_blocked=True)
    for number in range(LOCKED_BATCHES + 3):
        await meeting.ask(f"t{number}", amount_minor=1)
    is_locked = ["for update" in statement for statement in meeting.statements]
    assert is_locked == [False, *[True] * (LOCKED_BATCHES + 1), False, False]


async def test_overtaken_decision_is_dated_after_the_change(
    meeting: Meeting,
) -> None:
    began = datetime.now(UTC)
    programs = PostgresPrograms(meeting.url)
    meeting.overtake = lambda: programs.set_blocked(PROGRAM, "nobody", is_blocked=True)
    await meeting.ask("t1")
    ((decided_at, changed_at),) = rows(
        meeting.url, "select decided_at, changed_at from decisions cross join users"
    )
    assert began < changed_at < decided_at


async def test_decision_past_write_deadline_is_decided_again(
    meeting: Meeting,
) -> None:
    # A day is closed once all transactions are over that had an id soon after its end.
    began = datetime.now(UTC)
    meeting.overtake = lambda: time.sleep(WRITE_DEADLINE.total_seconds() + 0.1)
    assert b'"PERMIT"' in (await meeting.ask("t1", amount_minor=1)).body
    assert len(meeting.statements) == 2
    ((decided_at,),) = rows(meeting.url, "select decided_at from decisions")
    assert decided_at > began + WRITE_DEADLINE


async def test_decision_with_slow_clock_takes_locks(meeting: Meeting) -> None:
    meeting.store = PostgresAuthorizations(
        meeting.pool, now=lambda: datetime.now(UTC) - timedelta(seconds=4)
    )
    assert b'"PERMIT"' in (await meeting.ask("t1", amount_minor=1)).body
    assert ["for update" in statement for statement in meeting.statements] == [False, True]


def test_write_deadline_is_below_clock_margin() -> None:
    assert WRITE_DEADLINE < CLOCK_MARGIN
