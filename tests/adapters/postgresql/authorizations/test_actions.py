"""Captures, voids, increments, refunds and expiry, on the fake and on PostgreSQL."""

import asyncio
import json
from typing import Any

import pytest

from cardops.adapters.postgresql.sessions import Pool
from cardops.rules.accounts.ledger import Account
from cardops.rules.authorizations.actions import (
    ActionKind,
    ActionResponse,
    ActionResult,
    AuthorizationAction,
)
from cardops.rules.authorizations.decisions import ResponseKind
from tests.factories.authorization_stores import (
    PostgresWorld,
    World,
    account,
    apply,
    ask,
    expire_all,
)
from tests.factories.authorizations import PROGRAM, USER, a_request


def an_action(
    kind: str, amount: str | None = None, key: str = "", *, program: str = PROGRAM
) -> AuthorizationAction:
    return AuthorizationAction(ActionKind(kind), program, "txn_1", amount, key)


async def hold(world: World) -> None:
    await world.credit(USER, 3000)
    assert (await ask(world, is_capture=False))["status"] == "PERMIT"


async def action(world: World, *args: Any, **fields: Any) -> ActionResponse:
    return await apply(world.authorizations, an_action(*args, **fields))


async def test_partial_capture_releases_the_rest_once(world: World) -> None:
    await hold(world)
    assert (await account(world)).held_minor == 2500

    first, again = await action(world, "capture", "10"), await action(world, "capture", "10.00")
    other = await action(world, "capture", "11")

    assert json.loads(first.body)["captured_amount"] == 10.0
    assert (again.result, again.body) == (ActionResult.REPLAYED, first.body)
    assert other.result is ActionResult.FORBIDDEN
    assert await account(world) == Account(PROGRAM, USER, "USD", 2000, 0, 3)


async def test_refunds_never_exceed_the_captured_amount(world: World) -> None:
    await world.credit(USER, 2500)
    await ask(world)

    first, again = (
        await action(world, "refund", "20", "r1"),
        await action(world, "refund", "20", "r1"),
    )
    mismatch = await action(world, "refund", "21", "r1")
    above, rest = (
        await action(world, "refund", "5.01", "r2"),
        await action(world, "refund", "5", "r2"),
    )

    assert [response.result.value for response in (first, again, mismatch, above, rest)] == [
        "done",
        "replayed",
        "mismatched",
        "invalid",
        "done",
    ]
    assert await account(world) == Account(PROGRAM, USER, "USD", 2500, 0, 4)


async def test_increment_is_decided_once_per_key(world: World) -> None:
    await hold(world)

    permit = await action(world, "increment", "5", "i1")
    reject = await action(world, "increment", "0.01", "i2")
    await world.credit(USER, 1000)
    again = await action(world, "increment", "0.01", "i2")

    assert json.loads(permit.body)["held_amount"] == 30.0
    assert json.loads(reject.body)["increment"]["reason_code"] == "insufficient_credit"
    assert (again.result, again.body) == (ActionResult.REPLAYED, reject.body)
    assert (await account(world)).held_minor == 3000


async def test_void_releases_the_hold_once(world: World) -> None:
    await hold(world)

    first, again = await action(world, "void"), await action(world, "void")

    assert (first.result, again.result) == (ActionResult.DONE, ActionResult.REPLAYED)
    assert again.body == first.body
    assert (await action(world, "capture")).state == "voided"
    assert (await account(world)).available_minor == 3000


async def test_void_before_its_authorization_rejects_it(world: World) -> None:
    await world.credit(USER, 3000)

    first, again = await action(world, "void"), await action(world, "void")
    response = await ask(world)

    assert json.loads(first.body)["state"] == "voided"
    assert again.body == first.body
    assert response["reason_code"] == "voided_before_arrival"
    assert (await account(world)).available_minor == 3000


async def test_action_on_unknown_or_foreign_id_is_unknown(world: World) -> None:
    await hold(world)

    unknown = await apply(
        world.authorizations, AuthorizationAction(ActionKind.CAPTURE, PROGRAM, "nothing")
    )
    foreign = await action(world, "capture", program="other")

    assert unknown.result is foreign.result is ActionResult.UNKNOWN
    assert await world.authorizations.find("other", "txn_1") is None


async def test_sweeper_releases_expired_hold_that_cannot_be_captured(
    world: World,
) -> None:
    await hold(world)
    world.clock.advance(days=7)

    captured = await action(world, "capture")
    swept = await expire_all(world.authorizations, world.expired_holds)

    assert (captured.result, captured.state) == (ActionResult.FORBIDDEN, "expired")
    assert swept == 1
    assert await expire_all(world.authorizations, world.expired_holds) == 0
    assert (await account(world)).available_minor == 3000
    view = await world.authorizations.find(PROGRAM, "txn_1")
    assert view is not None
    assert view.state == "expired"


@pytest.mark.database
async def test_concurrent_void_and_authorization_never_both_win(pool: Pool) -> None:
    world = PostgresWorld(pool)
    await world.credit(USER, 1_000_000)
    for number in range(30):
        name = f"meet{number}"
        (response,), voided = await asyncio.gather(
            world.authorizations.decide([a_request(name, amount_minor=1, is_capture=False)]),
            apply(world.authorizations, AuthorizationAction(ActionKind.VOID, PROGRAM, name)),
        )
        view = await world.authorizations.find(PROGRAM, name)
        assert view is not None
        assert view.held_minor == 0
        assert voided.result is ActionResult.DONE
        assert response.kind is ResponseKind.DECIDED
    assert (await account(world)).available_minor == 1_000_000
