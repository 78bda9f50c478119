"""An OTLP/HTTP collector on this loop: accepts spans as protobuf and keeps every byte received."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.servers.listening import stop_accepting


@dataclass(frozen=True)
class Span:
    """One span as it arrived."""

    name: str
    kind: int
    attributes: dict[str, Any]
    trace_id: str
    parent_id: str
    is_error: bool
    milliseconds: float


@dataclass
class Collector:
    """`paths` and `bodies` of all requests; `spans` and `service` of those that are traces."""

    port: int = 0
    paths: set[str] = field(default_factory=set)
    bodies: list[bytes] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    resource: dict[str, Any] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    async def has(self, name: str, count: int = 1) -> list[Span]:
        """Wait for that many spans of the name and return them."""
        end = time.monotonic() + 20
        while len(self.named(name)) < count:
            assert time.monotonic() < end, (name, [span.name for span in self.spans])
            await asyncio.sleep(0.02)
        return self.named(name)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.paths.add(request.path)
        self.bodies.append(body)
        if request.path == "/v1/traces":
            assert request.content_type == "application/x-protobuf"
            self._read(ExportTraceServiceRequest.FromString(body))
        response = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=response, content_type="application/x-protobuf")

    def _read(self, request: Any) -> None:
        for of_resource in request.resource_spans:
            self.resource = values_of(of_resource.resource.attributes)
            for of_scope in of_resource.scope_spans:
                self.spans += [read(span) for span in of_scope.spans]


def read(span: Any) -> Span:
    nanoseconds = span.end_time_unix_nano - span.start_time_unix_nano
    return Span(
        name=span.name,
        kind=span.kind,
        attributes=values_of(span.attributes),
        trace_id=span.trace_id.hex(),
        parent_id=span.parent_span_id.hex(),
        is_error=span.status.code == span.status.STATUS_CODE_ERROR,
        milliseconds=nanoseconds / 1e6,
    )


def values_of(attributes: Any) -> dict[str, Any]:
    return {
        attribute.key: getattr(attribute.value, attribute.value.WhichOneof("value"))
        for attribute in attributes
    }


@asynccontextmanager
async def open_collector() -> AsyncIterator[Collector]:
    collector = Collector()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", collector.take)
    runner = web.AppRunner(app)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    try:
        await web.SockSite(runner, listener).start()
        collector.port = listener.getsockname()[1]
        yield collector
    finally:
        await stop_accepting(listener)
        await runner.cleanup()
