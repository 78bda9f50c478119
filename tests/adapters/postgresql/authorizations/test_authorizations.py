"""Decisions on the fake and on PostgreSQL; concurrency and failures on PostgreSQL alone."""

import asyncio
from typing import Any

import asyncpg
import pytest
from typing_extensions import override

from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.sessions import Pool
from cardops.rules.accounts.ledger import Account
from cardops.rules.authorizations.decisions import (
    AuthorizationRequest,
    AuthorizationResponse,
    ResponseKind,
)
from tests.factories.authorization_stores import PostgresWorld, World, account, ask
from tests.factories.authorizations import PROGRAM, USER, a_request


async def test_permit_debits_and_reject_does_not(world: World) -> None:
    await world.credit(USER, 3000)

    permit = await ask(world, "a", amount_minor=2500)
    reject = await ask(world, "b", amount_minor=501)

    assert (permit["status"], permit["remaining_credit"]) == ("PERMIT", 5.0)
    assert (reject["reason_code"], reject["remaining_credit"]) == ("insufficient_credit", 5.0)
    assert permit["as_of"] == reject["as_of"] == {"ledger_seq": 2}
    assert await account(world) == Account(PROGRAM, USER, "USD", 500, 0, 2)


async def test_same_request_replays_and_different_request_mismatches(
    world: World,
) -> None:
    (rejected,) = await world.authorizations.decide([a_request(amount_minor=500)])
    await world.credit(USER, 3000)
    again, other = await world.authorizations.decide(
        [a_request(amount_minor=500), a_request(amount_minor=501)]
    )

    assert again == AuthorizationResponse(ResponseKind.REPLAYED, rejected.body)
    assert other.kind is ResponseKind.MISMATCHED
    assert (await account(world)).available_minor == 3000


async def test_rejection_has_the_reason_of_the_account(world: World) -> None:
    await world.credit(USER, 3000)
    await world.credit("blocked", 3000)
    await world.block("blocked")

    assert (await ask(world, "a", user_id="nobody"))["reason_code"] == "unknown_user"
    assert (await ask(world, "b", currency="EUR"))["reason_code"] == "currency_not_supported"
    assert (await ask(world, "c", user_id="blocked"))["reason_code"] == "account_blocked"


async def test_user_of_another_program_is_unknown(world: World) -> None:
    await world.credit(USER, 3000)

    response = await ask(world, program="other")

    assert (response["reason_code"], response["remaining_credit"]) == ("unknown_user", 0.0)
    assert not await world.authorizations.accounts("other", USER)
    assert (await account(world)).available_minor == 3000


async def test_batch_returns_a_response_per_request(world: World) -> None:
    await world.credit(USER, 3000)
    await world.credit("user_2", 3000)
    requests = [a_request(f"t{n}", amount_minor=1000, user_id=USER) for n in range(4)]
    requests += [a_request(f"u{n}", amount_minor=1000, user_id="user_2") for n in range(4)]

    responses = await world.authorizations.decide(requests)

    permits = [b'"PERMIT"' in response.body for response in responses]
    assert permits == [True, True, True, False] * 2


async def test_dry_run_writes_nothing(world: World) -> None:
    await world.credit(USER, 3000)

    response = await ask(world, is_dry_run=True)

    assert (response["status"], response["remaining_credit"]) == ("PERMIT", 5.0)
    assert await world.authorizations.find(PROGRAM, "txn_1") is None
    assert (await account(world)).available_minor == 3000


@pytest.mark.database
async def test_concurrent_processes_never_overdraw(pool: Pool) -> None:
    world = PostgresWorld(pool)
    await world.credit(USER, 10_000)

    async def one_process(number: int) -> list[AuthorizationResponse]:
        authorizations = PostgresAuthorizations(pool)
        requests = [a_request(f"t{number}-{n}", amount_minor=300) for n in range(20)]
        requests.append(a_request("shared", amount_minor=100))
        return await authorizations.decide(requests)

    responses = await asyncio.gather(*(one_process(number) for number in range(6)))

    shared = {response[-1].body for response in responses}
    permits = sum(b'"PERMIT"' in own.body for response in responses for own in response[:-1])
    balance = await account(world)
    assert len(shared) == 1
    assert balance.available_minor == 10_000 - 300 * permits - 100 * (b'"PERMIT"' in shared.pop())
    assert 0 <= balance.available_minor < 300


@pytest.mark.database
@pytest.mark.parametrize(
    "bad",
    [
        # The table refuses an amount of 0, a column one above 2^63; no validated request has them.
        a_request("bad", amount_minor=0),
        a_request("bad", amount_minor=2**63),
        # The separator of columns inside a value would split it.
        a_request("bad\x1fworse"),
        a_request("bad", user_id="a\x1fb"),
        a_request("bad\ud800"),
    ],
)
async def test_failing_member_does_not_fail_its_batch(
    pool: Pool, bad: AuthorizationRequest
) -> None:
    world = PostgresWorld(pool)
    await world.credit(USER, 3000)

    first, failed, last = await world.authorizations.decide(
        [a_request("a", amount_minor=1), bad, a_request("b", amount_minor=1)]
    )

    assert (first.kind, failed.kind, last.kind) == ("decided", "undecided", "decided")
    assert (await account(world)).available_minor == 2998


@pytest.mark.database
async def test_database_refuses_a_permit_that_overdraws(pool: Pool) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="permit_never_overdraws"):
        await pool.execute(
            "insert into decisions (program, transaction_id, authorization_id, question_hash, "
            "user_id, currency, amount_minor, is_capture, status, reason_code, remaining_minor, "
            "ledger_seq, answer, decided_at) values ('default', 't', 'a', '', 'u', 'USD', 1, true, "
            "'PERMIT', 'sufficient_credit', -1, 1, '', now())"
        )


@pytest.mark.database
async def test_retry_after_lost_connection_finds_the_commit(pool: Pool) -> None:
    world = PostgresWorld(pool)
    await world.credit(USER, 3000)
    authorizations = LosingItsCommit(pool)

    (response,) = await authorizations.decide([a_request()])

    assert authorizations.losses == 1
    assert response.kind is ResponseKind.DECIDED
    assert (await account(world)).available_minor == 500


class LosingItsCommit(PostgresAuthorizations):
    """Loses the first reply to a COMMIT."""

    losses = 0

    @override
    async def _decide_once(self, requests: Any) -> list[AuthorizationResponse]:
        responses = await super()._decide_once(requests)
        if not self.losses:
            self.losses += 1
            raise ConnectionResetError
        return responses
