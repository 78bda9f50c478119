"""Traces over OTLP/HTTP, with OpenTelemetry's SDK. Imported only where it is wanted.

Spans are made when their work is over, with the times that it took: nothing is carried along
while it goes on. A thread of the SDK sends them; what does not fit its queue is dropped.
"""

import threading
import time
from importlib.metadata import version
from typing import Final, assert_never

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue
from typing_extensions import override

from cardops.ports import Tracing
from cardops.rules.authorizations.traces import (
    AnsweredRequest,
    AttemptedCallback,
    DecidedBatch,
    TracedEvent,
)

# A collector that does not answer must not hold up a process that stops.
CLOSE_SECONDS: Final = 2.0
_NOBODY: Final = Context()
_SERVER_FAULT: Final = 500


class OpenTelemetry(Tracing):
    """A provider of its own: the process's global one, and what others trace with it, stay off."""

    def __init__(self, service: str) -> None:
        self._provider = TracerProvider(resource=_resource(service), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("cardops", version("cardops"))
        self._propagator = TraceContextTextMapPropagator()

    @override
    def emit(self, event: TracedEvent) -> None:
        match event:
            case AnsweredRequest():
                self._request(event)
            case DecidedBatch():
                size: dict[str, AttributeValue] = {"cardops.batch.questions": event.requests}
                self._span("decide batch", SpanKind.INTERNAL, event.seconds, size)
            case AttemptedCallback():
                self._callback(event)
            case unreachable:
                assert_never(unreachable)

    @override
    def close(self) -> None:
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)

    def _request(self, event: AnsweredRequest) -> None:
        known: dict[str, AttributeValue] = {
            "http.request.method": event.method,
            "http.route": event.route,
            "http.response.status_code": event.status,
            "cardops.request_id": event.request_id,
        }
        if event.program is not None:
            known["cardops.program"] = event.program
        error = str(event.status) if event.status >= _SERVER_FAULT else None
        name = f"{event.method} {event.route}"
        self._span(name, SpanKind.SERVER, event.seconds, known, (event.traceparent, error))

    def _callback(self, event: AttemptedCallback) -> None:
        known: dict[str, AttributeValue] = {
            "http.request.method": "POST",
            "cardops.program": event.program,
            "cardops.callback.state": event.state,
            "cardops.callback.attempt": event.attempt,
        }
        if event.request_id is not None:
            known["cardops.request_id"] = event.request_id
        error = None if event.state == "delivered" else "no_answer"
        if event.status_code is not None:
            known["http.response.status_code"] = event.status_code
            error = error and str(event.status_code)
        self._span("POST callback", SpanKind.CLIENT, event.seconds, known, ("", error))

    def _span(
        self,
        name: str,
        kind: SpanKind,
        seconds: float,
        known: dict[str, AttributeValue],
        told: tuple[str, str | None] = ("", None),
    ) -> None:
        """`told` is the parent that a caller named, and what went wrong."""
        traceparent, error = told
        context = _NOBODY
        if traceparent:
            # Not `tracestate`: it is free text of the caller's, and would be sent on.
            context = self._propagator.extract({"traceparent": traceparent}, _NOBODY)
        ended = time.time_ns()
        started = ended - int(seconds * 1e9)
        if error is not None:
            known["error.type"] = error
        span = self._tracer.start_span(name, context, kind, known, start_time=started)
        if error is not None:
            span.set_status(StatusCode.ERROR)
        span.end(ended)


def _resource(service: str) -> Resource:
    """What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say, and our names where they do not."""
    said = Resource.create()
    is_named = not str(said.attributes.get(SERVICE_NAME, "")).startswith("unknown_service")
    ours: dict[str, AttributeValue] = {} if is_named else {SERVICE_NAME: service}
    if SERVICE_VERSION not in said.attributes:
        ours[SERVICE_VERSION] = version("cardops")
    return said.merge(Resource(ours))
