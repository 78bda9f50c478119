"""Many actions at once cost other users' decisions nothing, over real HTTP.

Before actions had queues and sessions of their own, each of these storms had decisions of other users
answered 503.
"""

import asyncio
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from authorizer.decisions.actions import MAX_WAITING_PER_LOCKED_ACCOUNT
from cardops.adapters.postgresql.connection import connect
from tests.oracles.ledger_totals import assert_books_add_up, rows
from tests.servers.authorizer_process import SCOPES, AuthorizerProcess
from tests.servers.keep_alive import KeepAlive, Response
from tests.servers.killable_credit import credit_users
from tests.servers.starvation import Starvation

pytestmark = pytest.mark.database

SETTINGS = {"CARDOPS_KEY_REQUESTS_PER_SECOND": "1000000"}
PATH = "/v1/authorizations"
DECISIONS = 60
# A decision waits for a locked account's batch at most once; a busy machine is slow by itself.
MAX_SECONDS = 1.5


class Storm:
    """An authorizer with held authorizations, and clients of two programs."""

    def __init__(self, url: str, process: AuthorizerProcess, other_key: str, name: str) -> None:
        self.url, self.process, self.other_key, self.name = url, process, other_key, name
        self.lock = f"select from accounts where user_id = '{name}' for update"
        credit_users(url, {name: 1000}, intake_id=zlib.crc32(name.encode()))

    async def hold(self, count: int) -> list[str]:
        async with KeepAlive(self.process.port, self.process.key) as client:
            names = [f"{self.name}-{number}" for number in range(count)]
            for name in names:
                body = {"transaction_id": name, "user_id": self.name, "amount": "0.01"}
                assert (await client.authorize({**body, "capture": False})).status == 200
        return names

    async def act(self, name: str, kind: str, key: str = "") -> tuple[Response, float]:
        began = time.monotonic()
        async with KeepAlive(self.process.port, key or self.process.key) as client:
            response = await client.call("POST", f"{PATH}/{name}/{kind}", {})
        return response, time.monotonic() - began

    async def decide(self) -> None:
        """Decisions of other users, one after the other, none of which may notice the storm."""
        async with KeepAlive(self.process.port, self.process.key) as client:
            for number in range(DECISIONS):
                name = f"{self.name}-d{number}"
                body = {"transaction_id": name, "user_id": f"user_{number % 5}"}
                starved, began = Starvation(self.process.process.pid), time.monotonic()
                response = await client.authorize({**body, "amount": "0.01"})
                assert response.status == 200, number
                assert time.monotonic() - began - starved.seconds() < MAX_SECONDS


@pytest.fixture(scope="module")
def process(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AuthorizerProcess]:
    home = tmp_path_factory.mktemp("home")
    with AuthorizerProcess(module_database_url, home, SETTINGS) as started:
        credit_users(module_database_url, {f"user_{number}": 1000 for number in range(5)})
        yield started
    assert_books_add_up(module_database_url)


@pytest.fixture
def storm(process: AuthorizerProcess, request: pytest.FixtureRequest) -> Storm:
    other_key = process.programs.create_key("other", "test", SCOPES, is_test=True).key
    return Storm(process.url, process, other_key, request.node.name[5:40])


@contextmanager
def held_open(url: str, *statements: str) -> Iterator[psycopg.Connection]:
    with connect(url, autocommit=False) as session:
        for statement in statements:
            session.execute(statement.encode())
        yield session
        session.rollback()


async def test_captures_on_a_locked_account_cost_no_decision(storm: Storm) -> None:
    names = await storm.hold(20)
    with held_open(storm.url, storm.lock):
        captures = [asyncio.create_task(storm.act(name, "capture")) for name in names]
        await asyncio.sleep(0.3)
        await storm.decide()
    answered = [(await capture)[0].status for capture in captures]
    assert set(answered) <= {200, 503}
    again = [(await storm.act(name, "capture"))[0].status for name in names]
    assert set(again) == {200}


async def test_captures_beyond_the_limit_of_an_account_are_refused_at_once(storm: Storm) -> None:
    names = await storm.hold(MAX_WAITING_PER_LOCKED_ACCOUNT + 4)
    first, later = names[:MAX_WAITING_PER_LOCKED_ACCOUNT], names[MAX_WAITING_PER_LOCKED_ACCOUNT:]
    with held_open(storm.url, storm.lock):
        waiting = [asyncio.create_task(storm.act(name, "capture")) for name in first]
        await asyncio.sleep(0.6)  # by now the account is known to be locked
        starved = Starvation(storm.process.process.pid)
        refused = [await storm.act(name, "capture") for name in later]
        assert not any(task.done() for task in waiting)
    for response, seconds in refused:
        assert (response.status, response.json["type"]) == (503, "/problems/unavailable")
        assert b"\r\nretry-after:" in response.head.lower()
        assert seconds < 1.0 + starved.seconds()
    assert {(await task)[0].status for task in waiting} == {200}


async def test_many_captures_at_once_cost_no_decision(storm: Storm) -> None:
    names = await storm.hold(200)
    captures = [asyncio.create_task(storm.act(name, "capture")) for name in names]
    await storm.decide()
    assert {(await capture)[0].status for capture in captures} == {200}
    # deposit, holds, captures: each has its number, and none is missing
    query = "select ledger_seq, held_minor from accounts where user_id = %s"
    assert rows(storm.url, query, storm.name) == [(401, 0)]


async def test_voids_of_unseen_ids_cost_no_decision_and_no_capture(storm: Storm) -> None:
    (name,) = await storm.hold(1)
    # The voids wait for a decision that is being written, and for a row of their program.
    with held_open(
        storm.url,
        "select from programs where program = 'other' for update",
        "lock table decisions in row exclusive mode",
    ):
        voids = [
            asyncio.create_task(storm.act(f"unseen{number}", "void", storm.other_key))
            for number in range(100)
        ]
        await asyncio.sleep(0.2)
        await storm.decide()
        captured, _ = await storm.act(name, "capture")
    assert captured.status == 200
    assert {(await void)[0].status for void in voids} <= {200, 503}
    assert (await storm.act("unseen0", "void", storm.other_key))[0].status == 200
