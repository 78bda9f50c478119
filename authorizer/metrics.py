"""Prometheus figures of one process, or of all workers together. Labels are route templates only."""

import os
import platform
import time
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector
from typing_extensions import override

MULTIPROCESS_DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"
# A client may send any word as its method; each would be a series of its own.
METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
# Instants are kept and ages told when asked, so that they grow also while nothing updates them.
_AGES: Final = {
    "cardops_callback_outbox_age_seconds": (
        "cardops_callback_outbox_oldest_due_timestamp_seconds",
        "How long the callback that waits longest has been due; 0 where none waits.",
    ),
    "cardops_sweeper_age_seconds": (
        "cardops_sweeper_last_success_timestamp_seconds",
        "How long ago overdue holds were looked for with success.",
    ),
    "cardops_overdue_hold_age_seconds": (
        "cardops_overdue_hold_oldest_timestamp_seconds",
        "How long the oldest hold past its time still stands; 0 where none does.",
    ),
    "cardops_watch_age_seconds": (
        "cardops_watch_last_success_timestamp_seconds",
        "How long ago these instants were read with success.",
    ),
}


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
        # Without labels, so that it is there, at zero, before the first one: the rate of a series
        # that appears with its first failure does not know of that failure.
        self._failures = Counter(
            "cardops_http_failures", "Requests that ended in an error of ours (500).",
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
        self._batch_questions = Histogram(
            "cardops_batch_questions", "Questions that one commit decided.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256), registry=self._registry,
        )  # fmt: skip
        self._batch_seconds = Histogram(
            "cardops_batch_seconds", "From a batch's first statement to its commit.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
            registry=self._registry,
        )  # fmt: skip
        self._make_gauges()
        self._children: dict[tuple[str, str, int], Counter] = {}
        self._timers: dict[str, Histogram] = {}
        self._kinds: dict[str, Counter] = {}

    def _make_gauges(self) -> None:
        self._waiting = Gauge(
            "cardops_questions_waiting", "Questions that no batch has taken yet.",
            multiprocess_mode="livesum", registry=self._registry,
        )  # fmt: skip
        self._sessions = Gauge(
            "cardops_database_sessions_in_use", "Sessions of the pool that work.",
            multiprocess_mode="livesum", registry=self._registry,
        )  # fmt: skip
        self._disabled = Gauge(
            "cardops_disabled_callback_endpoints", "Endpoints that are disabled just now.",
            multiprocess_mode="mostrecent", registry=self._registry,
        )  # fmt: skip
        self._instants = {
            name: Gauge(
                name, f"An instant, in seconds since 1970. {told}",
                multiprocess_mode="mostrecent", registry=self._registry,
            )
            for name, told in _AGES.values()
        }  # fmt: skip
        self._build = Gauge(
            "cardops_build_info", "Always 1; its labels say what runs.", ["version", "python"],
            multiprocess_mode="max", registry=self._registry,
        )  # fmt: skip
        self._build.labels(version("cardops"), platform.python_version()).set(1)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request."""
        key = (method, route, status)
        if key not in self._children:
            if method not in METHODS:
                key = ("other", route, status)
            self._children[key] = self._requests.labels(key[0], route, str(status))
            self._timers[route] = self._seconds.labels(route)
        self._children[key].inc()
        self._timers[route].observe(seconds)
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            self._failures.inc()

    def decided(self, kind: str) -> None:
        """One answer to a question: decided, replayed, mismatched, undecided."""
        if kind not in self._kinds:
            self._kinds[kind] = self._decisions.labels(kind)
        self._kinds[kind].inc()

    def batched(self, count: int, seconds: float) -> None:
        """One batch of questions."""
        self._batch_questions.observe(count)
        self._batch_seconds.observe(seconds)

    def busy(self, waiting: int, sessions: int) -> None:
        """How much is going on just now."""
        self._waiting.set(waiting)
        self._sessions.set(sessions)

    def swept(self) -> None:
        """Overdue holds were looked for."""
        self._set("cardops_sweeper_last_success_timestamp_seconds", time.time())

    def watched(
        self, oldest_due: float | None, oldest_overdue: float | None, disabled_count: int
    ) -> None:
        """Since when a callback has been due, and a hold past its time; None where none is."""
        self._disabled.set(disabled_count)
        self._set("cardops_callback_outbox_oldest_due_timestamp_seconds", oldest_due or 0)
        self._set("cardops_overdue_hold_oldest_timestamp_seconds", oldest_overdue or 0)
        self._set("cardops_watch_last_success_timestamp_seconds", time.time())

    def called_back(self, state: str) -> None:
        """One attempt at a callback, by the state it led to."""
        self._callbacks.labels(state).inc()

    def endpoint_disabled(self) -> None:
        """One endpoint that only failed, or is gone."""
        self._endpoints.inc()

    def text(self) -> bytes:
        """The exposition format."""
        registry = self._registry
        if directory := os.environ.get(MULTIPROCESS_DIRECTORY):
            forget_the_dead(Path(directory))
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # carries no types
        ages = CollectorRegistry()
        ages.register(_Ages(registry.collect()))
        return bytes(generate_latest(registry)) + bytes(generate_latest(ages))

    def _set(self, name: str, value: float) -> None:
        self._instants[name].set(value)


class _Ages(Collector):
    """Ages of the instants that a registry holds; an instant never set has none."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        instants = {name for name, _ in _AGES.values()}
        self._instants = {
            sample.name: sample.value
            for metric in metrics
            if metric.name in instants
            for sample in metric.samples
        }

    @override
    def collect(self) -> Iterator[Metric]:
        """One gauge an age."""
        now = time.time()
        for name, (instant, told) in _AGES.items():
            at = self._instants.get(instant, 0)
            yield GaugeMetricFamily(name, told, value=max(now - at, 0) if at else 0)


def forget_the_dead(directory: Path) -> None:
    """A worker that ended has no questions waiting and no sessions any more."""
    for path in directory.glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call] # carries no types
        except PermissionError:
            pass
