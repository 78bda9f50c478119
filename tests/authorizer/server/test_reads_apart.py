"""Lists and other reads have sessions of their own: however slow, they cost decisions nothing."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from cardops.adapters.postgresql.connection import connect
from tests.factories.history import fill_history
from tests.factories.request_bodies import a_body, a_user
from tests.servers.authorizer_process import AuthorizerProcess, Reply
from tests.servers.starvation import Starvation

pytestmark = pytest.mark.database

LISTS = 40
DECISIONS = 60


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    """Nobody reads the table until the block ends, as if each read took longer than it may."""
    with connect(url, autocommit=False) as session:
        session.execute(f"lock table {table} in access exclusive mode".encode())
        yield


def timed(
    api: AuthorizerProcess, method: str, path: str, body: object = None
) -> tuple[Reply, float]:
    started = time.monotonic()
    reply = api.call(method, path, body)
    return reply, time.monotonic() - started


def test_slow_lists_cost_decisions_nothing_and_are_answered(
    api: AuthorizerProcess, module_database_url: str
) -> None:
    user = a_user(api)
    assert api.authorize(a_body(user, amount=0.01)).status == 200
    starved = Starvation(api.process.pid)
    with ThreadPoolExecutor(LISTS) as pool, locked(module_database_url, "callbacks"):
        lists = [pool.submit(timed, api, "GET", "/v1/callbacks?status=dead") for _ in range(LISTS)]
        time.sleep(0.2)
        decided = [
            timed(api, "POST", "/v1/authorizations", a_body(user, amount=0.01))
            for _ in range(DECISIONS)
        ]
        refused = [answer.result() for answer in lists]

    assert [reply.status for reply, _ in decided] == [200] * DECISIONS
    assert {reply.problem for reply, _ in refused} == {"read-timeout"}
    assert {reply.headers["retry-after"] for reply, _ in refused} == {"1"}
    # Within the deadline of a request, those that waited for a session too.
    assert max(seconds for _, seconds in refused) < 3.0 + starved.seconds()
    assert api.call("GET", "/v1/callbacks").status == 200


@pytest.mark.parametrize(
    ("table", "path"),
    [("accounts", "/v1/users/{user}/credit"), ("decisions", "/v1/authorizations/{id}")],
)
def test_read_that_takes_too_long_says_so(
    api: AuthorizerProcess, module_database_url: str, table: str, path: str
) -> None:
    user = a_user(api)
    body = a_body(user)
    api.authorize(body)
    address = path.format(user=user, id=body["transaction_id"])
    starved = Starvation(api.process.pid)
    with locked(module_database_url, table):
        reply, seconds = timed(api, "GET", address)

    assert (reply.status, reply.problem) == (503, "read-timeout")
    assert seconds < 2.5 + starved.seconds()
    assert api.call("GET", address).status == 200


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_lists_beside_decisions_over_millions_of_delivered_callbacks(
    database_url: str, tmp_path: Path
) -> None:
    with connect(database_url) as session:
        fill_history(session, 3_000_000)
    with AuthorizerProcess(database_url, tmp_path) as api, ThreadPoolExecutor(8) as pool:
        # Names that the history does not have.
        user = "shopper"
        asked = [a_body(user, amount=0.01, transaction_id=f"asked_{n}") for n in range(201)]
        api.credit(user, 10_000)
        assert api.authorize(asked.pop()).status == 200
        for status in ("dead", "delivered", "pending"):
            page = api.call("GET", f"/v1/callbacks?status={status}&limit=100").json
            assert len(page["data"]) == 100, status
        lists = pool.map(partial(timed, api, "GET"), ["/v1/callbacks?status=dead"] * 200)
        decided = [timed(api, "POST", "/v1/authorizations", body) for body in asked]
        listed = sorted(seconds for reply, seconds in lists if reply.status == 200)

    assert [reply.status for reply, _ in decided] == [200] * 200
    assert len(listed) == 200
    assert listed[100] < 0.05
