"""Prometheus metrics of one process, or of all workers together. Route labels are templates only."""

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
# A client may send any method; each would be a new time series.
METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
# Instants are stored and ages computed at each scrape, so that an age grows while nothing updates it.
_AGES: Final = {
    "cardops_callback_outbox_age_seconds": (
        "cardops_callback_outbox_oldest_due_timestamp_seconds",
        "How long the oldest due callback has been due; 0 if none is due.",
    ),
    "cardops_sweeper_age_seconds": (
        "cardops_sweeper_last_success_timestamp_seconds",
        "How long ago the sweeper last released expired holds successfully.",
    ),
    "cardops_overdue_hold_age_seconds": (
        "cardops_overdue_hold_oldest_timestamp_seconds",
        "How long the oldest expired hold has been awaiting release; 0 if there is none.",
    ),
    "cardops_watch_age_seconds": (
        "cardops_watch_last_success_timestamp_seconds",
        "How long ago these instants were last read successfully.",
    ),
}


class Metrics:
    """Metrics of one application. Labelled children are cached, so that counting costs a microsecond."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "cardops_http_requests", "Requests that were answered.", ["method", "route", "status"],
            registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "cardops_http_request_seconds", "Time from request to response.", ["route"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
            registry=self._registry,
        )  # fmt: skip
        # Without labels, so that the series exists at zero before the first failure: the rate of a
        # series that appears with its first failure misses that failure.
        self._failures = Counter(
            "cardops_http_failures", "Requests that failed with an internal error (500).",
            registry=self._registry,
        )  # fmt: skip
        self._decisions = Counter(
            "cardops_decisions",
            "Responses to authorization requests, by kind.",
            ["kind"],
            registry=self._registry,
        )
        self._callbacks = Counter(
            "cardops_callback_attempts",
            "Callback attempts, by outcome.",
            ["state"],
            registry=self._registry,
        )
        self._endpoints = Counter(
            "cardops_callback_endpoints_disabled", "Callback endpoints disabled after failures.",
            registry=self._registry,
        )  # fmt: skip
        self._batch_sizes = Histogram(
            "cardops_batch_questions", "Authorization requests decided in one commit.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256), registry=self._registry,
        )  # fmt: skip
        self._batch_seconds = Histogram(
            "cardops_batch_seconds", "Time from a batch's first statement to its commit.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
            registry=self._registry,
        )  # fmt: skip
        self._make_gauges()
        self._children: dict[tuple[str, str, int], Counter] = {}
        self._timers: dict[str, Histogram] = {}
        self._kinds: dict[str, Counter] = {}

    def _make_gauges(self) -> None:
        self._waiting = Gauge(
            "cardops_questions_waiting", "Authorization requests waiting for a batch.",
            multiprocess_mode="livesum", registry=self._registry,
        )  # fmt: skip
        self._actions_waiting = Gauge(
            "cardops_actions_waiting", "Captures, voids, refunds and increments without a response.",
            multiprocess_mode="livesum", registry=self._registry,
        )  # fmt: skip
        self._stuck_holds = Gauge(
            "cardops_stuck_holds", "Expired holds that the last turn of the sweeper could not release.",
            multiprocess_mode="mostrecent", registry=self._registry,
        )  # fmt: skip
        self._sessions = Gauge(
            "cardops_database_sessions_in_use", "Database sessions of the pools in use.",
            multiprocess_mode="livesum", registry=self._registry,
        )  # fmt: skip
        self._clock_skew = Gauge(
            "cardops_clock_skew_seconds",
            "How far the local clock is off the database's, beyond the round trip; above 2 this "
            "process serves nothing.",
            multiprocess_mode="livemax", registry=self._registry,
        )  # fmt: skip
        self._database_down = Gauge(
            "cardops_embedded_database_down", "1 while the embedded database does not run, else 0.",
            multiprocess_mode="livemax", registry=self._registry,
        )  # fmt: skip
        self._database_outages = Gauge(
            "cardops_embedded_database_outages",
            "How often the embedded database was found gone, and was started again.",
            multiprocess_mode="livemax", registry=self._registry,
        )  # fmt: skip
        self._disabled = Gauge(
            "cardops_disabled_callback_endpoints", "Callback endpoints that are disabled now.",
            multiprocess_mode="mostrecent", registry=self._registry,
        )  # fmt: skip
        self._instants = {
            name: Gauge(
                name, f"An instant, in seconds since 1970. {description}",
                multiprocess_mode="mostrecent", registry=self._registry,
            )
            for name, description in _AGES.values()
        }  # fmt: skip
        self._build = Gauge(
            "cardops_build_info", "Always 1; its labels name the versions.", ["version", "python"],
            multiprocess_mode="max", registry=self._registry,
        )  # fmt: skip
        self._build.labels(version("cardops"), platform.python_version()).set(1)

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request and observe its duration."""
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

    def count_decision(self, kind: str) -> None:
        """Count one response to an authorization request, by its kind."""
        if kind not in self._kinds:
            self._kinds[kind] = self._decisions.labels(kind)
        self._kinds[kind].inc()

    def observe_batch(self, count: int, seconds: float) -> None:
        """Observe the size and duration of one batch."""
        self._batch_sizes.observe(count)
        self._batch_seconds.observe(seconds)

    def set_load(self, waiting: int, actions_waiting: int, sessions: int) -> None:
        """Set the number of waiting requests and actions and of database sessions in use."""
        self._waiting.set(waiting)
        self._actions_waiting.set(actions_waiting)
        self._sessions.set(sessions)

    def set_stuck_holds(self, count: int) -> None:
        """Set how many expired holds cannot be released."""
        self._stuck_holds.set(count)

    def set_clock_skew(self, seconds: float) -> None:
        """Set how far the local clock is provably off the database's."""
        self._clock_skew.set(seconds)

    def set_database(self, *, is_down: bool, outage_count: int) -> None:
        """Set whether the embedded database is down now, and how often it was."""
        self._database_down.set(int(is_down))
        self._database_outages.set(outage_count)

    def record_sweep(self) -> None:
        """Record that expired holds were released successfully just now."""
        self._set("cardops_sweeper_last_success_timestamp_seconds", time.time())

    def record_watch(
        self, oldest_due: float | None, oldest_overdue: float | None, disabled_count: int
    ) -> None:
        """Record since when a callback has been due and a hold expired; None if there is none."""
        self._disabled.set(disabled_count)
        self._set("cardops_callback_outbox_oldest_due_timestamp_seconds", oldest_due or 0)
        self._set("cardops_overdue_hold_oldest_timestamp_seconds", oldest_overdue or 0)
        self._set("cardops_watch_last_success_timestamp_seconds", time.time())

    def called_back(self, state: str) -> None:
        """Count one callback attempt, by the state it led to."""
        self._callbacks.labels(state).inc()

    def endpoint_disabled(self) -> None:
        """Count one endpoint that was disabled after failures or a 410."""
        self._endpoints.inc()

    def text(self) -> bytes:
        """All metrics in the Prometheus exposition format."""
        registry = self._registry
        if directory := os.environ.get(MULTIPROCESS_DIRECTORY):
            remove_ended_workers(Path(directory))
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # carries no types
        ages = CollectorRegistry()
        ages.register(_Ages(registry.collect()))
        return bytes(generate_latest(registry)) + bytes(generate_latest(ages))

    def _set(self, name: str, value: float) -> None:
        self._instants[name].set(value)


class _Ages(Collector):
    """Computes ages from a registry's instants; the age of an instant that was never set is 0."""

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
        """One gauge per age."""
        now = time.time()
        for name, (instant, description) in _AGES.items():
            at = self._instants.get(instant, 0)
            yield GaugeMetricFamily(name, description, value=max(now - at, 0) if at else 0)


def remove_ended_workers(directory: Path) -> None:
    """Remove the live gauges of workers that ended: their requests and sessions are gone."""
    for path in directory.glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call] # carries no types
        except PermissionError:
            pass
