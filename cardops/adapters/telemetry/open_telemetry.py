"""Traces over OTLP/HTTP, with OpenTelemetry's SDK. Imported only where tracing is on.

A span is made once its work is over, from the time it took, so the work itself carries no tracing
state. A thread of the SDK sends spans; those that do not fit its queue are dropped.
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

# A collector that does not respond must not delay the stop of a process.
CLOSE_SECONDS: Final = 2.0
_NO_PARENT: Final = Context()
_SERVER_ERROR: Final = 500


class OpenTelemetry(Tracing):
    """Uses a provider of its own, so that libraries which trace with the global one stay silent."""

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
        attributes: dict[str, AttributeValue] = {
            "http.request.method": event.method,
            "http.route": event.route,
            "http.response.status_code": event.status,
            "cardops.request_id": event.request_id,
        }
        if event.program is not None:
            attributes["cardops.program"] = event.program
        error = str(event.status) if event.status >= _SERVER_ERROR else None
        name = f"{event.method} {event.route}"
        self._span(name, SpanKind.SERVER, event.seconds, attributes, (event.traceparent, error))

    def _callback(self, event: AttemptedCallback) -> None:
        attributes: dict[str, AttributeValue] = {
            "http.request.method": "POST",
            "cardops.program": event.program,
            "cardops.callback.state": event.state,
            "cardops.callback.attempt": event.attempt,
        }
        if event.request_id is not None:
            attributes["cardops.request_id"] = event.request_id
        error = None if event.state == "delivered" else "no_answer"
        if event.status_code is not None:
            attributes["http.response.status_code"] = event.status_code
            error = error and str(event.status_code)
        self._span("POST callback", SpanKind.CLIENT, event.seconds, attributes, ("", error))

    def _span(
        self,
        name: str,
        kind: SpanKind,
        seconds: float,
        attributes: dict[str, AttributeValue],
        parent_and_error: tuple[str, str | None] = ("", None),
    ) -> None:
        """`parent_and_error`: the caller's `traceparent` ("" for none), and the type of error."""
        traceparent, error = parent_and_error
        context = _NO_PARENT
        if traceparent:
            # `tracestate` is left out: it is the caller's free text and would be sent to the collector.
            context = self._propagator.extract({"traceparent": traceparent}, _NO_PARENT)
        ended = time.time_ns()
        started = ended - int(seconds * 1e9)
        if error is not None:
            attributes["error.type"] = error
        span = self._tracer.start_span(name, context, kind, attributes, start_time=started)
        if error is not None:
            span.set_status(StatusCode.ERROR)
        span.end(ended)


def _resource(service: str) -> Resource:
    """OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, and our own names where they are unset."""
    configured = Resource.create()
    is_named = not str(configured.attributes.get(SERVICE_NAME, "")).startswith("unknown_service")
    defaults: dict[str, AttributeValue] = {} if is_named else {SERVICE_NAME: service}
    if SERVICE_VERSION not in configured.attributes:
        defaults[SERVICE_VERSION] = version("cardops")
    return configured.merge(Resource(defaults))
