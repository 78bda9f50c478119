"""The benchmarks' peer keeps its promises, so that a comparison with it is a fair one."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from benchmarks.plain_fastapi import build
from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.rules.programs.api_keys import Scope
from cardops.rules.programs.programs import Program

pytestmark = pytest.mark.database


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key; the user `u-1` has 100.00."""
    programs = PostgresPrograms(database_url)
    programs.create(Program("bench", "USD"))
    key = programs.create_key("bench", "k", tuple(Scope), is_test=True).key
    with connect(database_url) as session:
        session.execute(
            "insert into accounts (program, user_id, currency, available_minor)"
            " values ('bench', 'u-1', 'USD', 10000)"
        )
    app = build(database_url)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url="http://peer",
            headers={"authorization": f"Bearer {key}"},
        ) as client,
    ):
        yield client


async def ask(client: httpx.AsyncClient, transaction_id: str, **fields: Any) -> httpx.Response:
    body = {"transaction_id": transaction_id, "user_id": "u-1", "amount": 25, **fields}
    return await client.post("/v1/authorizations", json=body)


async def test_peer_debits_logs_and_enqueues_in_one_commit(
    client: httpx.AsyncClient, database_url: str
) -> None:
    response = await ask(client, "t1", callback_url="https://example.com/x")

    assert response.status_code == 200
    assert response.json()["remaining_credit"] == 75.0
    with connect(database_url) as session:
        assert session.execute("select available_minor from accounts").fetchone() == (7500,)
        assert session.execute("select answer from decisions").fetchone() == (response.content,)
        assert session.execute("select body from callbacks").fetchone() == (response.content,)


async def test_peer_replays_the_same_bytes_once_debited(client: httpx.AsyncClient) -> None:
    responses = await asyncio.gather(*(ask(client, "t1") for _ in range(20)))
    other = await ask(client, "t2")

    assert len({response.content for response in responses}) == 1
    assert other.json()["remaining_credit"] == 50.0


async def test_peer_decides_a_contested_id_of_an_unknown_user_once(
    client: httpx.AsyncClient,
) -> None:
    # Without an account there is no row to lock: only the primary key keeps the id unique.
    responses = await asyncio.gather(*(ask(client, "t1", user_id="nobody") for _ in range(20)))

    assert {response.status_code for response in responses} == {200}
    assert len({response.content for response in responses}) == 1
    assert responses[0].json()["reason_code"] == "unknown_user"


async def test_peer_refuses_a_different_request_with_a_known_id(client: httpx.AsyncClient) -> None:
    await ask(client, "t1")

    assert (await ask(client, "t1", amount="25.00")).status_code == 200
    assert (await ask(client, "t1", amount=26)).status_code == 422


async def test_peer_never_overdraws(client: httpx.AsyncClient, database_url: str) -> None:
    responses = await asyncio.gather(*(ask(client, f"t{number}") for number in range(40)))

    statuses = [json.loads(response.content)["status"] for response in responses]
    assert (statuses.count("PERMIT"), statuses.count("REJECT")) == (4, 36)
    with connect(database_url) as session:
        assert session.execute("select available_minor from accounts").fetchone() == (0,)


async def test_peer_refuses_requests_without_a_valid_key(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/authorizations", headers={"authorization": ""}, json={})

    assert response.status_code == 401
