"""A batch of actions is decided again where something changes between its read and its write."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cardops.adapters.postgresql.accounts.spending_limits import PostgresSpendingLimits
from cardops.adapters.postgresql.authorizations import actions as adapter
from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.adapters.postgresql.reconciliation.transaction_log import PostgresTransactionLog
from cardops.adapters.postgresql.sessions import Pool, open_pool
from cardops.rules.accounts.spending_limits import LimitKind, SpendingLimit
from cardops.rules.authorizations.actions import (
    ActionKind,
    ActionResponse,
    ActionResult,
    AuthorizationAction,
)
from tests.factories.authorizations import PROGRAM, USER, a_request
from tests.factories.database_clock import DatabaseClock
from tests.oracles.ledger_totals import assert_books_add_up, rows
from tests.servers.killable_credit import credit_users

pytestmark = pytest.mark.database

SPEND = "update accounts set ledger_seq = ledger_seq + 1 where user_id = %s"
REFUSED_INCREMENT = """
insert into movements (
    program, transaction_id, kind, movement_key, user_id, currency, status, reason_code,
    amount_minor, posted_minor, held_change_minor, ledger_seq, answer, posted_at
) values ('default', 'h1', 'increment', 'i1', 'user_1', 'USD', 'REJECT', 'insufficient_credit',
    9900, 0, 0, 3, 'elsewhere', now())
"""


def an_action(
    kind: str, transaction_id: str = "h1", amount: str | None = None, key: str = ""
) -> AuthorizationAction:
    return AuthorizationAction(ActionKind(kind), PROGRAM, transaction_id, amount, key)


@dataclass
class Overtaking:
    """A store with the holds h1 and h2 of one user, and h3 of another.

    The first batch of actions is overtaken by `overtake` after its read; with `is_endless` each is.
    """

    url: str
    store: PostgresAuthorizations
    pool: Pool
    overtake: Callable[[], object]
    is_endless: bool = False
    reads: int = 0

    async def apply(self, *actions: AuthorizationAction) -> list[ActionResponse]:
        return await self.store.apply(actions)


@pytest.fixture
async def overtaking(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Overtaking]:
    pool = await open_pool(database_url)
    await pool.execute("insert into programs (program, currency) values ('default', 'USD')")
    credit_users(database_url, {USER: 1000, "other": 1000})
    store = PostgresAuthorizations(pool)
    await store.decide(
        [
            a_request(name, amount_minor=100, user_id=user, is_capture=False)
            for name, user in (("h1", USER), ("h2", USER), ("h3", "other"))
        ]
    )
    created = Overtaking(database_url, store, pool, lambda: None)
    decide = adapter.decide_actions

    def decide_after_overtaking(*arguments: Any) -> Any:
        created.reads += 1
        overtake = created.overtake
        if not created.is_endless:
            created.overtake = lambda: None
        overtake()
        return decide(*arguments)

    monkeypatch.setattr(adapter, "decide_actions", decide_after_overtaking)
    yield created
    pool.terminate()


async def test_block_during_increment_is_obeyed(overtaking: Overtaking) -> None:
    programs = PostgresPrograms(overtaking.url)
    overtaking.overtake = lambda: programs.set_blocked(PROGRAM, USER, is_blocked=True)
    (response,) = await overtaking.apply(an_action("increment", "h1", "0.01", "i1"))
    assert b'"account_blocked"' in response.body


@pytest.mark.parametrize("user_id", [USER, ""])
async def test_limit_set_during_increment_is_obeyed(overtaking: Overtaking, user_id: str) -> None:
    limit = SpendingLimit(LimitKind.AUTHORIZATION, 100)
    limits = PostgresSpendingLimits(overtaking.url)
    overtaking.overtake = lambda: limits.change(PROGRAM, user_id, "USD", [limit], changed_by="test")
    (response,) = await overtaking.apply(an_action("increment", "h1", "0.01", "i1"))
    assert b'"velocity_limit"' in response.body


async def test_change_of_account_during_action_is_not_lost(overtaking: Overtaking) -> None:
    def spend() -> None:
        with psycopg.connect(overtaking.url) as session:
            session.execute(SPEND, [USER])

    overtaking.overtake = spend
    responses = await overtaking.apply(an_action("capture", "h1"), an_action("void", "h3"))
    assert [response.result for response in responses] == [ActionResult.DONE] * 2
    # deposit, two holds, the spend in between, the capture
    assert rows(overtaking.url, "select ledger_seq from movements where kind = 'capture'") == [(5,)]


async def test_action_overtaken_again_and_again_takes_locks(overtaking: Overtaking) -> None:
    def spend_unless_locked() -> None:
        with psycopg.connect(overtaking.url) as session, suppress(psycopg.errors.LockNotAvailable):
            session.execute("set lock_timeout = 400")
            session.execute(SPEND, [USER])

    overtaking.overtake, overtaking.is_endless = spend_unless_locked, True
    (response,) = await overtaking.apply(an_action("capture"))
    assert response.result is ActionResult.DONE
    assert overtaking.reads == adapter.OPTIMISTIC_ATTEMPTS + 1


async def test_action_done_elsewhere_meanwhile_is_replayed(overtaking: Overtaking) -> None:
    """A rejected increment changes no account: only its key shows that it was done."""

    def refuse_elsewhere() -> None:
        with psycopg.connect(overtaking.url) as session:
            session.execute(REFUSED_INCREMENT)

    overtaking.overtake = refuse_elsewhere
    responses = await overtaking.apply(
        an_action("increment", "h1", "99.00", "i1"), an_action("void", "h3")
    )
    assert [response.result.value for response in responses] == ["replayed", "done"]
    assert responses[0].body == b"elsewhere"


async def test_contradicting_hold_fails_alone(overtaking: Overtaking) -> None:
    with psycopg.connect(overtaking.url) as session:
        session.execute("update holds set held_minor = 5000 where transaction_id = 'h1'")
    responses = await overtaking.apply(
        an_action("capture", "h1"), an_action("void", "h2"), an_action("void", "h3")
    )
    assert [response.result.value for response in responses] == ["inconsistent", "done", "done"]
    assert rows(overtaking.url, "select count(distinct xmin::text) from movements") == [(1,)]


async def test_action_written_late_is_dated_when_it_was_written(
    overtaking: Overtaking, tmp_path: Path
) -> None:
    """Past midnight its day may be closed already, and nothing may be added to a closed day."""
    late = datetime(2031, 5, 1, 23, 59, 59, tzinfo=UTC)
    clock = DatabaseClock(overtaking.url, late)
    pool = await open_pool(clock.url)
    log, day = PostgresTransactionLog(clock.url), date(2031, 5, 1)

    def close_the_day() -> None:
        clock.at = late + timedelta(seconds=8)
        # Transactions of other databases on this server keep a day open for a moment.
        deadline = time.monotonic() + 20
        while not log.export(day, tmp_path / "day.parquet").is_closed:
            assert time.monotonic() < deadline, "the day was not closed in 20 s"
            time.sleep(0.05)

    overtaking.overtake = close_the_day
    (response,) = await PostgresAuthorizations(pool).apply([an_action("expire")])
    exported = [log.export(date(2031, 5, number), tmp_path / "d.parquet") for number in (1, 2)]
    clock.close()
    pool.terminate()

    assert response.result is ActionResult.DONE
    assert [export.row_count for export in exported] == [0, 1]


async def test_actions_of_a_batch_see_each_other(overtaking: Overtaking) -> None:
    responses = await overtaking.apply(
        an_action("increment", "h1", "8.00", "i1"),  # all that is left
        an_action("increment", "h2", "0.01", "i2"),
        an_action("increment", "h1", "8.00", "i1"),
        an_action("capture", "h1", "9.00"),
        an_action("capture", "h1", "9.00"),
        an_action("void", "h1"),
        an_action("refund", "h1", "5.00", "r1"),
        an_action("refund", "h1", "4.01", "r2"),
        an_action("increment", "h2", "5.00", "i3"),
        an_action("void", "unseen"),
        an_action("void", "unseen"),
        an_action("capture", "unseen"),
    )
    assert [response.result.value for response in responses] == [
        "done", "done", "replayed", "done", "replayed", "forbidden", "done", "invalid", "done",
        "done", "replayed", "unknown",
    ]  # fmt: skip
    assert b'"insufficient_credit"' in responses[1].body
    assert b'"sufficient_credit"' in responses[8].body
    assert overtaking.reads <= 2
    assert_books_add_up(overtaking.url)


async def test_increment_for_an_unknown_user_is_refused_under_a_program_limit(
    overtaking: Overtaking,
) -> None:
    limit = SpendingLimit(LimitKind.DAY, 100)
    PostgresSpendingLimits(overtaking.url).change(PROGRAM, "", "USD", [limit], changed_by="test")
    await overtaking.store.decide([a_request("h9", user_id="nobody", is_capture=False)])

    refused, other = await overtaking.apply(
        an_action("increment", "h9", "0.01", "i1"), an_action("void", "h2")
    )

    assert refused.result is ActionResult.FORBIDDEN
    assert other.result is ActionResult.DONE
