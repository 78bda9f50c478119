"""Fixtures of the authorizer's tests: servers, users, and a listener on a forbidden host."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.factories.request_bodies import a_user
from tests.servers.authorizer_process import AuthorizerProcess
from tests.servers.in_process_authorizer import InProcessServer, in_process_server
from tests.servers.internal_hosts import connects, listener, the_listener

__all__ = ["connects", "listener", "the_listener"]


@pytest.fixture(scope="module")
def api(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AuthorizerProcess]:
    with AuthorizerProcess(module_database_url, tmp_path_factory.mktemp("home")) as process:
        yield process


@pytest.fixture
async def server() -> AsyncIterator[InProcessServer]:
    """A server in this process, over fakes."""
    async with in_process_server() as started:
        yield started


@pytest.fixture
def user(api: AuthorizerProcess) -> str:
    """A user with 100.00 USD, used by one test only."""
    return a_user(api)
