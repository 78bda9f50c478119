"""Prometheus figures of one process, or of all workers together. Labels are route templates only."""

import os

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

MULTIPROCESS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"


class Metrics:
    """Figures of one application; children are kept, so that counting costs a microsecond."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "cardops_http_requests", "Requests answered.", ["method", "route", "status"],
            registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "cardops_http_request_seconds", "From request to answer.", ["route"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
            registry=self._registry,
        )  # fmt: skip
        self._decisions = Counter(
            "cardops_decisions", "Decisions answered.", ["kind"], registry=self._registry
        )
        self._callbacks = Counter(
            "cardops_callback_attempts", "Attempts by outcome.", ["state"], registry=self._registry
        )
        self._endpoints = Counter(
            "cardops_callback_endpoints_disabled", "Endpoints that were disabled by failing.",
            registry=self._registry,
        )  # fmt: skip
        self._children: dict[tuple[str, str, int], Counter] = {}
        self._timers: dict[str, Histogram] = {}
        self._kinds: dict[str, Counter] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request."""
        key = (method, route, status)
        if key not in self._children:
            self._children[key] = self._requests.labels(method, route, str(status))
            self._timers[route] = self._seconds.labels(route)
        self._children[key].inc()
        self._timers[route].observe(seconds)

    def decided(self, kind: str) -> None:
        """One answer to a question: decided, replayed, mismatched, undecided."""
        if kind not in self._kinds:
            self._kinds[kind] = self._decisions.labels(kind)
        self._kinds[kind].inc()

    def called_back(self, state: str) -> None:
        """One attempt at a callback, by the state it led to."""
        self._callbacks.labels(state).inc()

    def endpoint_disabled(self) -> None:
        """One endpoint that only failed, or is gone."""
        self._endpoints.inc()

    def text(self) -> bytes:
        """The exposition format."""
        if os.environ.get(MULTIPROCESS_DIRECTORY):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # carries no types
            return bytes(generate_latest(registry))
        return bytes(generate_latest(self._registry))
