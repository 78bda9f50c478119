"""How long the authenticator caches a key, and when a revocation takes effect."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from typing_extensions import override

from authorizer.api.authentication import CACHE_SECONDS, Authenticator
from authorizer.api.problems import ProblemError
from cardops.rules.authorizations.decisions import StoreUnavailableError
from cardops.rules.programs.api_keys import Caller, NewKey, Scope
from tests.factories.waiting import until
from tests.fakes.programs import FakePrograms
from tests.servers.authorizer_process import AuthorizerProcess
from tests.servers.keep_alive import KeepAlive

WRITE = Scope.AUTHORIZATIONS_WRITE


class CountingPrograms(FakePrograms):
    """Counts reads of keys; can be unavailable, or delay the result of a read."""

    def __init__(self) -> None:
        super().__init__()
        self.is_unavailable = False
        self.read_count = 0
        self.may_return = asyncio.Event()
        self.may_return.set()

    @override
    async def find_caller(self, key_id: str) -> Caller | None:
        self.read_count += 1
        if self.is_unavailable:
            raise StoreUnavailableError
        caller = await super().find_caller(key_id)
        await self.may_return.wait()
        return caller


class AuthenticatorWithClock:
    """An authenticator with its own clock, and a key."""

    def __init__(self) -> None:
        self.at = 0.0
        self.keys = CountingPrograms()
        self.key: NewKey = self.keys.create_key("default", "k", [WRITE], is_test=False)
        self.authenticator = Authenticator(
            self.keys, requests_per_second=1000, monotonic=lambda: self.at
        )

    async def is_accepted(self, *, at: float) -> bool:
        self.at = at
        header = f"Bearer {self.key.key}"
        try:
            cached = self.authenticator.authenticate_cached(header, WRITE)
            caller = cached or await self.authenticator.authenticate(header, WRITE)
        except ProblemError as problem:
            return {"unauthorized": False}[problem.slug]
        assert caller.key_id == self.key.key_id
        return True


async def test_revoked_key_is_refused_once_its_cache_entry_expires() -> None:
    access = AuthenticatorWithClock()
    assert await access.is_accepted(at=0)
    assert await access.is_accepted(at=0.5)
    access.keys.revoke_key(access.key.key_id)

    accepted = {at: await access.is_accepted(at=at) for at in (0.6, 0.999, CACHE_SECONDS, 1.5, 60)}

    assert accepted == {0.6: True, 0.999: True, CACHE_SECONDS: False, 1.5: False, 60: False}


async def test_cache_entry_expires_a_second_after_its_read_began() -> None:
    access = AuthenticatorWithClock()
    access.keys.may_return.clear()
    slow = asyncio.create_task(access.is_accepted(at=0))
    await asyncio.sleep(0.01)
    # The store has read the key, but not yet returned it.
    access.keys.revoke_key(access.key.key_id)
    access.at = 0.9
    access.keys.may_return.set()

    assert await slow
    assert await access.is_accepted(at=0.95)
    assert not await access.is_accepted(at=1.0)


async def test_unavailable_store_does_not_extend_a_cached_key() -> None:
    access = AuthenticatorWithClock()
    assert await access.is_accepted(at=0)
    access.keys.is_unavailable = True

    assert await access.is_accepted(at=0.9)
    with pytest.raises(StoreUnavailableError):
        await access.is_accepted(at=1.0)


async def test_concurrent_requests_share_one_read_of_an_expired_key() -> None:
    access = AuthenticatorWithClock()
    accepted = await asyncio.gather(*(access.is_accepted(at=0) for _ in range(50)))
    accepted += await asyncio.gather(*(access.is_accepted(at=1.0) for _ in range(50)))

    assert accepted == [True] * 100
    assert access.keys.read_count == 2


async def test_key_in_use_is_read_again_before_its_entry_expires() -> None:
    access = AuthenticatorWithClock()
    header = f"Bearer {access.key.key}"
    await access.is_accepted(at=0)

    for tenths in range(50):
        access.at = tenths / 10
        assert access.authenticator.authenticate_cached(header, WRITE) is not None
        await asyncio.sleep(0.001)

    assert access.keys.read_count == 10


async def test_revocation_found_by_an_early_read_takes_effect_at_once() -> None:
    access = AuthenticatorWithClock()
    assert await access.is_accepted(at=0)
    assert await access.is_accepted(at=0.1)
    access.keys.revoke_key(access.key.key_id)
    assert await access.is_accepted(at=0.6)
    await asyncio.sleep(0.01)

    assert not await access.is_accepted(at=0.7)


@dataclass(frozen=True)
class Use:
    """One request with the key."""

    port: int
    began: float
    ended: float
    status: int


@pytest.mark.database
async def test_key_in_use_at_two_processes_is_refused_a_second_after_revocation(
    database_url: str, tmp_path: Path
) -> None:
    with AuthorizerProcess(database_url, tmp_path) as first, first.second_process() as second:
        key = first.programs.create_key("default", "k", [WRITE], is_test=True)
        uses: list[Use] = []

        end = float("inf")

        async def keep_using(port: int, transaction_id: str) -> None:
            body = {"transaction_id": transaction_id, "user_id": "u", "amount": 1}
            async with KeepAlive(port, key.key) as client:
                while not uses or time.monotonic() < end:
                    began = time.monotonic()
                    status = (await client.authorize(body)).status
                    uses.append(Use(port, began, time.monotonic(), status))
                    await asyncio.sleep(0.002)

        ports = (first.port, second.port)
        running = asyncio.gather(
            *(keep_using(port, f"t{port}-{n}") for port in ports for n in range(4))
        )
        await until(lambda: len(uses) > 100 and {use.port for use in uses} == set(ports))
        revoking_at = time.monotonic()
        await asyncio.to_thread(first.programs.revoke_key, key.key_id)
        revoked_at = time.monotonic()
        end = revoked_at + CACHE_SECONDS + 0.5
        await running

    assert {use.status for use in uses} == {200, 401}
    # A request in progress during the revocation may get either status.
    assert {use.status for use in uses if use.ended < revoking_at} == {200}
    for port in ports:
        here = [use for use in uses if use.port == port]
        late = {use.status for use in here if use.began > revoked_at + CACHE_SECONDS}
        assert late == {401}
        # Once a process has refused the key, it never accepts it again.
        first_refused_at = min(use.ended for use in here if use.status == 401)
        assert {use.status for use in here if use.began > first_refused_at} == {401}
