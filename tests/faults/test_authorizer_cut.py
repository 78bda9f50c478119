"""The connection to PostgreSQL is cut at every step of a decision: the response never changes."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from tests.factories.waiting import until
from tests.oracles.ledger_totals import assert_books_add_up, rows
from tests.servers.authorizer_process import AuthorizerProcess
from tests.servers.cutting_proxy import CuttingProxy, Where, cutting_proxy
from tests.servers.keep_alive import KeepAlive, Response
from tests.servers.killable_credit import credit_users
from tests.servers.starvation import Starvation

pytestmark = pytest.mark.database

READ, WRITE, ACTION_WRITE = "read as materialized", "insert into decisions", "insert into movements"
ACTION_READ = "left join decisions as d"
BEGIN, READ_LOCKED, COMMIT = "^begin isolation", "for update of a", "^commit$"
WAITING = """
select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
"""
WHERES = (Where.BEFORE, Where.BEFORE_REPLY)
CUTS = [(words, where) for words in (READ, WRITE) for where in WHERES]
LOCKED_CUTS = [(words, where) for words in (BEGIN, READ_LOCKED, WRITE, COMMIT) for where in WHERES]


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[CuttingProxy]:
    async with cutting_proxy(database_url) as opened:
        yield opened


class Cutting:
    """An authorizer whose database connections go through the proxy, a client, a user with 30.00."""

    def __init__(self, api: AuthorizerProcess, proxy: CuttingProxy, url: str) -> None:
        self.api, self.proxy, self.url = api, proxy, url
        self.client = KeepAlive(api.port, api.key)

    async def ask(self, transaction_id: str, *, capture: bool = True) -> Response:
        body = {"transaction_id": transaction_id, "user_id": "user_1", "amount": "1.00"}
        return await self.client.authorize(body | {"capture": capture})

    async def overtake(self, transaction_id: str) -> None:
        """Change what a decision has read before it is written, so that it is decided again.

        The next batches then take their locks first.
        """
        async with await psycopg.AsyncConnection.connect(self.url) as session:
            await session.execute("update accounts set revision = revision + 1")
            decision = asyncio.create_task(self.ask(transaction_id))
            await until(lambda: rows(self.url, WAITING), "a decision that waits")
        assert (await decision).status == 200

    def stored(self, transaction_id: str) -> list[bytes]:
        statement = "select answer from decisions where transaction_id = %s"
        return [row[0] for row in rows(self.url, statement, transaction_id)]


@pytest.fixture
async def cutting(proxy: CuttingProxy, database_url: str, tmp_path: Path) -> AsyncIterator[Cutting]:
    api = AuthorizerProcess(database_url, tmp_path, {"CARDOPS_DATABASE_URL": proxy.url})
    credit_users(database_url, {"user_1": 3000})
    # In a thread, because this loop runs the proxy that the process needs to start.
    await asyncio.to_thread(api.__enter__)
    try:
        cutting = Cutting(api, proxy, database_url)
        assert (await cutting.ask("warm")).status == 200
        yield cutting
        await cutting.client.close()
    finally:
        api.__exit__()


@pytest.mark.parametrize("cuts", [CUTS, LOCKED_CUTS], ids=["without locks", "with locks"])
async def test_lost_connection_at_any_step_changes_no_response(
    cutting: Cutting, cuts: list[tuple[str, Where]]
) -> None:
    if cuts is LOCKED_CUTS:
        await cutting.overtake("overtaken")
    for number, (words, where) in enumerate(cuts):
        name = f"t{number}"
        cut = cutting.proxy.cut(words, where)
        first = await cutting.ask(name)
        assert cut.happened.is_set(), f"nothing was cut at {words}"
        again = await cutting.ask(name)

        assert (first.status, again.status) == (200, 200), (words, where)
        assert first.body == again.body
        assert again.is_replayed
        assert cutting.stored(name) == [first.body]
    assert_books_add_up(cutting.url)
    count = len(rows(cutting.url, "select 1 from decisions"))
    assert count >= len(cuts) + 1
    assert rows(cutting.url, "select available_minor from accounts") == [(3000 - 100 * count,)]


async def test_commit_with_lost_reply_is_found_after_the_deadline(
    cutting: Cutting,
) -> None:
    cut = cutting.proxy.cut(WRITE, Where.BEFORE_REPLY, stays_down=True)
    starved = Starvation(cutting.api.process.pid)
    began = time.monotonic()
    first = await cutting.ask("t1")
    waited = time.monotonic() - began - starved.seconds()
    stored = cutting.stored("t1")
    cutting.proxy.is_down = False
    again = await cutting.ask("t1")

    assert cut.happened.is_set()
    assert first.status == 503
    assert b"\r\nretry-after:" in first.head
    assert waited < 4.5
    assert stored == [again.body], "it was committed, only the client did not learn it"
    assert again.status == 200
    assert_books_add_up(cutting.url)


async def test_capture_with_lost_commit_reply_replays_equal(
    cutting: Cutting,
) -> None:
    for number, (words, where) in enumerate(
        [
            (ACTION_READ, Where.BEFORE),
            (ACTION_READ, Where.BEFORE_REPLY),
            (ACTION_WRITE, Where.BEFORE),
            (ACTION_WRITE, Where.BEFORE_REPLY),
        ]
    ):
        assert (await cutting.ask(f"t{number}", capture=False)).status == 200
        cut = cutting.proxy.cut(words, where)
        path = f"/v1/authorizations/t{number}/capture"
        first = await cutting.client.call("POST", path, {"amount": "0.40"})
        again = await cutting.client.call("POST", path, {"amount": "0.40"})

        assert cut.happened.is_set()
        assert (first.status, again.status) == (200, 200)
        assert first.body == again.body
    assert_books_add_up(cutting.url)


async def test_read_with_lost_connection_is_503_and_next_succeeds(
    cutting: Cutting,
) -> None:
    reads = {
        "/v1/authorizations/warm": ACTION_READ,
        "/v1/users/user_1/credit": "order by currency",
        "/v1/callbacks": "from callbacks",
    }
    for path, pattern in reads.items():
        cut = cutting.proxy.cut(pattern, Where.BEFORE_REPLY)
        lost = await cutting.client.call("GET", path)
        again = await cutting.client.call("GET", path)

        assert cut.happened.is_set(), path
        assert lost.status in {200, 503}, (path, lost)
        assert again.status == 200, path
