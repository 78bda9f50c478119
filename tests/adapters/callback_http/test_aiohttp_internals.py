"""aiohttp's internals that bounded_responses uses are still there, and still used by aiohttp."""

import asyncio
import inspect

import aiohttp
from aiohttp.client_proto import ResponseHandler

from cardops.adapters.callback_http.bounded_responses import (
    BoundedResponseHandler,
    bound_responses,
)
from tests.servers.partners import a_partner


async def test_connector_factory_is_where_the_limit_expects_it() -> None:
    async with aiohttp.TCPConnector() as connector:
        handler = connector._factory()
        bound_responses(connector)
        bounded = connector._factory()

    assert type(handler) is ResponseHandler
    assert type(bounded) is BoundedResponseHandler


def test_response_handler_has_the_methods_that_are_overridden() -> None:
    assert list(inspect.signature(ResponseHandler.data_received).parameters) == ["self", "data"]
    assert "set_response_params" in vars(ResponseHandler)
    assert list(inspect.signature(ResponseHandler.__init__).parameters) == ["self", "loop"]


async def test_aiohttp_calls_the_overridden_methods_for_each_response() -> None:
    calls = []

    class Recorded(BoundedResponseHandler):
        def set_response_params(self, **params: object) -> None:
            calls.append("set_response_params")
            super().set_response_params(**params)

        def data_received(self, data: bytes) -> None:
            calls.append("data_received")
            super().data_received(data)

    connector = aiohttp.TCPConnector()
    connector._factory = lambda: Recorded(asyncio.get_running_loop())  # type: ignore[assignment]
    async with a_partner() as partner, aiohttp.ClientSession(connector=connector) as session:
        for _ in range(2):
            async with session.post(partner.url, data=b"{}") as response:
                await response.read()

    assert calls == ["set_response_params", "data_received"] * 2
