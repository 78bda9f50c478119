"""Health and metrics during failures: a full pool, a database that is down or hangs."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from cardops.adapters.postgresql.authorizer_pools import (
    ACTION_SESSIONS,
    DECISION_SESSIONS,
    authorizer_pools,
)
from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.reads import SESSIONS
from tests.factories.waiting import wait_until
from tests.oracles.ledger_totals import assert_books_add_up
from tests.servers.authorizer_process import AuthorizerProcess, Reply
from tests.servers.cutting_proxy import CuttingProxy, cutting_proxy
from tests.servers.killable_credit import credit_users

pytestmark = pytest.mark.database

Change = Callable[[CuttingProxy], None]
DISABLED = """
insert into callback_endpoints
    (program, endpoint, failing_since, last_failed_at, failure_count, disabled_at, disabled_because)
values ('default', 'https://hooks.example.com/b', now(), now(), 1, now(), 'It answered 410 Gone.')
"""


def get(api: AuthorizerProcess, path: str) -> Reply:
    return api.call("GET", path, key=None)


def timed(work: Callable[[], Reply]) -> tuple[Reply, float]:
    began = time.monotonic()
    return work(), time.monotonic() - began


def metric(api: AuthorizerProcess, name: str) -> float:
    (value,) = re.findall(rf"^{name} (\S+)$", get(api, "/metrics").body.decode(), re.MULTILINE)
    return float(value)


def a_body(name: str, **fields: object) -> dict[str, object]:
    return {"transaction_id": name, "user_id": "user_1", "amount": "1.00", **fields}


async def test_exhausted_session_pools_do_not_fail_readiness(database_url: str) -> None:
    async with authorizer_pools(database_url) as pools, AsyncExitStack() as stack:
        for pool in (pools.decisions, pools.actions, pools.readers):
            for _ in range(pool.get_max_size()):
                await stack.enter_async_context(pool.acquire())
        assert pools.in_use() == DECISION_SESSIONS + ACTION_SESSIONS + SESSIONS
        seconds = []
        for _ in range(3):
            began = time.monotonic()
            assert await pools.readiness.is_ready()
            seconds.append(time.monotonic() - began)
        # To wait for a session would delay each of them, a busy machine only some.
        assert min(seconds) < 0.5


def test_captures_on_locked_accounts_take_no_sessions(database_url: str, tmp_path: Path) -> None:
    names = [f"t{number}" for number in range(16)]
    with AuthorizerProcess(database_url, tmp_path) as api, ThreadPoolExecutor(len(names)) as pool:
        credit_users(database_url, {"user_1": 10_000})
        for name in names:
            assert api.authorize(a_body(name, capture=False)).status == 200
        with connect(database_url, autocommit=False) as session:
            session.execute("select from accounts for update")
            path = "/v1/authorizations/{}/capture"
            actions = [pool.submit(api.call, "POST", path.format(name)) for name in names]
            wait_until(lambda: metric(api, "cardops_actions_waiting") == len(names))
            time.sleep(0.3)  # longer than a batch waits for a lock
            in_use = [metric(api, "cardops_database_sessions_in_use") for _ in range(5)]
            looks = [timed(lambda: get(api, "/readyz")) for _ in range(3)]
            alive = get(api, "/livez")
            session.rollback()
        statuses = {action.result().status for action in actions}
        again = [api.call("POST", path.format(name)).status for name in names]

        assert {ready.status for ready, _ in looks} == {alive.status} == {200}
        assert min(seconds for _, seconds in looks) < 0.5
        assert max(in_use) <= 2
        assert statuses <= {200, 503}
        assert set(again) == {200}
        wait_until(lambda: metric(api, "cardops_database_sessions_in_use") == 0)
    assert_books_add_up(database_url)


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[CuttingProxy]:
    async with cutting_proxy(database_url) as started:
        yield started


@pytest.mark.parametrize(
    ("fail", "recover"),
    [
        pytest.param(CuttingProxy.go_away, CuttingProxy.come_back, id="away"),
        pytest.param(CuttingProxy.fall_silent, CuttingProxy.speak_again, id="silent"),
    ],
)
async def test_failed_database_is_503_in_time_and_recovers(
    proxy: CuttingProxy, database_url: str, tmp_path: Path, fail: Change, recover: Change
) -> None:
    call_soon = asyncio.get_running_loop().call_soon_threadsafe

    def watch() -> None:
        settings = {"CARDOPS_DATABASE_URL": proxy.url}
        with AuthorizerProcess(database_url, tmp_path, settings) as api:
            assert get(api, "/readyz").status == 200
            assert api.authorize(a_body("before")).status == 200
            call_soon(fail, proxy)
            wait_until(lambda: get(api, "/readyz").status == 503, seconds=3)
            assert_unavailable_in_time(api)
            call_soon(recover, proxy)
            wait_until(lambda: get(api, "/readyz").status == 200)
            wait_until(lambda: api.authorize(a_body("meanwhile")).status == 200)

    # In a thread, because the proxy to the database runs on this event loop.
    await asyncio.to_thread(watch)


def assert_unavailable_in_time(api: AuthorizerProcess) -> None:
    ready, ready_after = timed(lambda: get(api, "/readyz"))
    decided, decided_after = timed(lambda: api.authorize(a_body("meanwhile")))

    for reply in (ready, decided):
        assert (reply.problem, reply.headers["retry-after"]) == ("unavailable", "1")
    assert (ready_after < 2.0, decided_after < 4.0) == (True, True)
    assert {get(api, path).status for path in ("/metrics", "/livez")} == {200}


def test_each_process_reports_database_state_and_its_own_work(
    database_url: str, tmp_path: Path
) -> None:
    settings = {"CARDOPS_AUTHORIZER_SENDS_CALLBACKS": "false"}
    with (
        AuthorizerProcess(database_url, tmp_path, settings) as first,
        first.second_process() as second,
    ):
        url = "https://hooks.example.com/a"
        assert first.authorize(a_body("t1", callback_url=url)).status == 200
        with connect(database_url) as session:
            session.execute("update callbacks set next_attempt_at = now() - interval '1 hour'")
            session.execute(DISABLED)
        # No worker runs: only the authorizers can report a due callback and a disabled endpoint.
        for api in (first, second):
            wait_until(lambda api=api: metric(api, "cardops_callback_outbox_age_seconds") > 3_500)
            wait_until(lambda api=api: metric(api, "cardops_disabled_callback_endpoints") == 1)
        counted = [metric(api, "cardops_batch_questions_count") for api in (first, second)]

        assert counted == [1, 0]
