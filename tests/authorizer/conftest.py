"""Fixtures of several test modules: an authorizer over HTTP, and where nobody may get to."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.factories.request_bodies import a_user
from tests.servers.authorizer_process import AuthorizerProcess
from tests.servers.in_process_authorizer import Served, serving
from tests.servers.internal_hosts import Connects, Listener

CONNECTS: list[Connects] = []


@pytest.fixture(scope="module")
def api(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AuthorizerProcess]:
    with AuthorizerProcess(module_database_url, tmp_path_factory.mktemp("home")) as process:
        yield process


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """A server in this process, over fakes."""
    async with serving() as one:
        yield one


@pytest.fixture
def user(api: AuthorizerProcess) -> str:
    """A user with 100.00 USD, of one test alone."""
    return a_user(api)


@pytest.fixture(scope="module")
def the_listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    time.sleep(0.2)  # one that is on its way is heard too
    made.close()
    assert made.connections == 0


@pytest.fixture
def listener(the_listener: Listener) -> Iterator[Listener]:
    yield the_listener
    assert the_listener.connections == 0


@pytest.fixture
def connects() -> Iterator[list[Any]]:
    """A hook can never be taken away again, so there is one for all tests."""
    if not CONNECTS:
        CONNECTS.append(Connects())
    heard = CONNECTS[0]
    heard.is_on, heard.addresses = True, []
    yield heard.addresses
    heard.is_on = False
