"""Every use of uvicorn beyond its documented interface still works.

A failure here means that uvicorn changed: review the module it names before updating the lock file.
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


async def empty_application(scope: object, receive: object, send: object) -> None:
    """An ASGI application."""


@pytest.fixture
async def protocol() -> AsyncIterator[HttpToolsProtocol]:
    """uvicorn's own protocol amid a request, so that all its attributes are set."""
    config = uvicorn.Config(empty_application, log_config=None, ws="none")
    protocol = HttpToolsProtocol(config, ServerState(), {}, asyncio.get_running_loop())
    protocol.connection_made(asyncio.Transport())
    protocol.data_received(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n")
    yield protocol
    protocol.cycle.disconnected = True
    await asyncio.gather(*protocol.tasks)


def attributes_of(module: ModuleType, *objects: str) -> set[str]:
    """The attributes that a module reads or sets on the given objects (`self`, `cycle`, …)."""
    tree = ast.parse(Path(str(module.__file__)).read_text())
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in objects
    }


def own_names(module: ModuleType) -> set[str]:
    """Names that a module's classes define without overriding one of uvicorn's."""
    return {
        name
        for defined in vars(module).values()
        if isinstance(defined, type) and defined.__module__ == module.__name__
        for name in {*vars(defined), *inspect.get_annotations(defined)}
        if not hasattr(HttpToolsProtocol, name)
    }


async def test_every_used_protocol_attribute_exists(protocol: HttpToolsProtocol) -> None:
    own = {name for module in PROTOCOL_MODULES for name in own_names(module)}
    used = {
        name for module in PROTOCOL_MODULES for name in attributes_of(module, "self", "super()")
    }

    assert {name for name in used - own if not hasattr(protocol, name)} == set()
    assert used - own >= {"cycle", "pipeline", "flow", "_unset_keepalive_if_required"}


async def test_every_used_cycle_attribute_exists(protocol: HttpToolsProtocol) -> None:
    names = ("cycle", "self.cycle")
    used = {name for module in PROTOCOL_MODULES for name in attributes_of(module, *names)}

    assert {name for name in used if not hasattr(protocol.cycle, name)} == set()
    assert used >= {"response_complete", "more_body", "keep_alive", "waiting_for_100_continue"}


@pytest.mark.parametrize("module", PROTOCOL_MODULES)
def test_overridden_methods_take_the_arguments_uvicorn_passes(module: ModuleType) -> None:
    overridden = [
        (name, method, getattr(HttpToolsProtocol, name))
        for defined in vars(module).values()
        if isinstance(defined, type) and issubclass(defined, HttpToolsProtocol)
        for name, method in vars(defined).items()
        if inspect.isfunction(method) and hasattr(HttpToolsProtocol, name)
    ]

    assert overridden
    for name, method, original in overridden:
        assert [*inspect.signature(method).parameters] == [
            *inspect.signature(original).parameters
        ], name


def test_requests_start_and_end_through_the_overridden_methods() -> None:
    def names(function: Any) -> set[str]:
        return set(function.__code__.co_names)

    assert "_start_asgi_task" in names(HttpToolsProtocol.on_headers_complete)
    assert "_start_asgi_task" in names(HttpToolsProtocol.on_response_complete)
    assert "send_400_response" in names(HttpToolsProtocol.data_received)
    assert "http_protocol_class" in inspect.getsource(uvicorn.Server.startup)
    assert "on_response" in names(RequestResponseCycle.send)


def test_parser_accepts_the_leniency_option() -> None:
    parser = httptools.HttpRequestParser(object())

    assert parser.set_dangerous_leniencies(lenient_data_after_close=True) is None  # type: ignore[func-returns-value] # it raises if unknown


def test_supervisor_creates_its_workers_from_the_replaced_class(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every place that starts a worker looks up the class in the module at run time."""
    source = inspect.getsource(multiprocess.Multiprocess)

    assert source.count(" = Process(self.config, self.sockets)") == 4
    assert multiprocess.Multiprocess.init_processes.__globals__ is vars(multiprocess)


def test_worker_runs_the_draining_server() -> None:
    config = uvicorn.Config(empty_application, log_config=None)
    process = workers.DrainingProcess(config, [])
    try:
        assert process._server is None
        assert isinstance(process.server, draining.DrainingServer)
        assert "server" in multiprocess.Process.target.__code__.co_names
    finally:
        process.parent_conn.close()
        process.child_conn.close()


def test_worker_that_is_slow_to_start_is_not_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    process = workers.DrainingProcess(uvicorn.Config(empty_application, log_config=None), [])
    try:
        assert [process.ping(timeout=0) for _ in range(3)] == [True] * 3
        monkeypatch.setattr(workers, "START_TIMEOUT_SECONDS", 0)
        assert not process.ping(timeout=0)

        assert process.child_conn.recv() == b"ping"
        assert not process.child_conn.poll(0), "more than one question is waiting"
        process.child_conn.send("started")
        assert process.ping(timeout=0)
        assert not process.ping(timeout=0), "later health checks are answered in time"
    finally:
        process.parent_conn.close()
        process.child_conn.close()
