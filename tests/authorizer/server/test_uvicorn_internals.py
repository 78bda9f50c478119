"""What the server uses of uvicorn beyond its documented interface: each is there, as expected.

A failure here means that uvicorn has changed. Read the module that is named before the lock moves.
"""

import ast
import asyncio
import inspect
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httptools
import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState
from uvicorn.supervisors import multiprocess

from authorizer.server import bounded_protocol, draining, http_protocol, workers

PROTOCOL_MODULES = (bounded_protocol, http_protocol)


async def nothing(scope: object, receive: object, send: object) -> None:
    """An ASGI application."""


@pytest.fixture
async def protocol() -> AsyncIterator[HttpToolsProtocol]:
    """uvicorn's own protocol amid a request: all that it sets is set."""
    config = uvicorn.Config(nothing, log_config=None, ws="none")
    made = HttpToolsProtocol(config, ServerState(), {}, asyncio.get_running_loop())
    made.connection_made(asyncio.Transport())
    made.data_received(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n")
    yield made
    made.cycle.disconnected = True
    await asyncio.gather(*made.tasks)


def attributes_of(module: ModuleType, *objects: str) -> set[str]:
    """The names that a module reads of `self`, `cycle`, … or overrides."""
    tree = ast.parse(Path(str(module.__file__)).read_text())
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in objects
    }


def names_of_ours(module: ModuleType) -> set[str]:
    """Names that a module's classes define themselves, without overriding one of uvicorn's."""
    return {
        name
        for made in vars(module).values()
        if isinstance(made, type) and made.__module__ == module.__name__
        for name in vars(made)
        if not hasattr(HttpToolsProtocol, name)
    }


async def test_every_protocol_attribute_that_is_used_exists(protocol: HttpToolsProtocol) -> None:
    ours = {name for module in PROTOCOL_MODULES for name in names_of_ours(module)}
    used = {
        name for module in PROTOCOL_MODULES for name in attributes_of(module, "self", "super()")
    }

    assert {name for name in used - ours if not hasattr(protocol, name)} == set()
    assert used - ours >= {"cycle", "pipeline", "flow", "_unset_keepalive_if_required"}


async def test_every_cycle_attribute_that_is_used_exists(protocol: HttpToolsProtocol) -> None:
    names = ("cycle", "self.cycle")
    used = {name for module in PROTOCOL_MODULES for name in attributes_of(module, *names)}

    assert {name for name in used if not hasattr(protocol.cycle, name)} == set()
    assert used >= {"response_complete", "more_body", "keep_alive", "waiting_for_100_continue"}


@pytest.mark.parametrize("module", PROTOCOL_MODULES)
def test_overridden_methods_take_the_arguments_uvicorn_passes(module: ModuleType) -> None:
    overridden = [
        (name, method, getattr(HttpToolsProtocol, name))
        for made in vars(module).values()
        if isinstance(made, type) and issubclass(made, HttpToolsProtocol)
        for name, method in vars(made).items()
        if inspect.isfunction(method) and hasattr(HttpToolsProtocol, name)
    ]

    assert overridden
    for name, method, original in overridden:
        assert [*inspect.signature(method).parameters] == [
            *inspect.signature(original).parameters
        ], name


def test_a_request_starts_and_ends_through_the_methods_that_are_overridden() -> None:
    def names(function: Any) -> set[str]:
        return set(function.__code__.co_names)

    assert "_start_asgi_task" in names(HttpToolsProtocol.on_headers_complete)
    assert "_start_asgi_task" in names(HttpToolsProtocol.on_response_complete)
    assert "send_400_response" in names(HttpToolsProtocol.data_received)
    assert "http_protocol_class" in inspect.getsource(uvicorn.Server.startup)
    assert "on_response" in names(RequestResponseCycle.send)


def test_the_parser_offers_the_leniency_that_is_asked_of_it() -> None:
    parser = httptools.HttpRequestParser(object())

    parser.set_dangerous_leniencies(lenient_data_after_close=True)


def test_the_supervisor_makes_its_workers_from_the_replaced_class(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every place that starts a worker looks the class up in the module when it runs."""
    source = inspect.getsource(multiprocess.Multiprocess)

    assert source.count(" = Process(self.config, self.sockets)") == 4
    assert multiprocess.Multiprocess.init_processes.__globals__ is vars(multiprocess)


def test_a_worker_runs_the_draining_server() -> None:
    config = uvicorn.Config(nothing, log_config=None)
    process = workers.DrainingProcess(config, [])
    try:
        assert process._server is None
        assert isinstance(process.server, draining.DrainingServer)
        assert "server" in multiprocess.Process.target.__code__.co_names
    finally:
        process.parent_conn.close()
        process.child_conn.close()
