"""Endpoints of callbacks: what one is, when it is disabled, and whose turn it is.

Belongs here: the clock of failures, the words of disabling, lanes and their room. What becomes
of a single callback is in cardops.rules.callbacks.callbacks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final, TypeAlias

from cardops.rules.callbacks.callbacks import CallbackResult

# An endpoint that has only failed for this long is not tried any more.
FAILING_PERIOD: Final = timedelta(days=5)
# Longer than any pause of the retry schedule: after such a silence nothing is known of the time
# between, so the clock of failures starts anew.
SILENCE: Final = timedelta(days=2)
REFUSED: Final = "Endpoint disabled; not tried. `cardops callbacks enable` takes it back into use."

# (program, authority of the URL): what is owed by one program to one host.
Lane: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL without its query that has only failed since `failing_since`."""

    program: str
    endpoint: str
    failing_since: datetime
    last_failed_at: datetime
    failure_count: int = 1
    last_status_code: int | None = None
    last_error: str | None = None
    disabled_at: datetime | None = None
    disabled_because: str | None = None


@dataclass(frozen=True, slots=True)
class HostCapacity:
    """How many callbacks more a worker would take of a lane: `known` ones, and any other."""

    other: int
    known: Mapping[Lane, int] = field(default_factory=dict)

    def of(self, host_queue: Lane) -> int:
        """At least 0."""
        return max(self.known.get(host_queue, self.other), 0)


def endpoint_of(url: str) -> str:
    """The URL without its query, which may differ with every callback."""
    return url.partition("?")[0]


def host_queue_of(program: str, url: str) -> Lane:
    """Program and host (with its port) of a URL in its parsed form."""
    return program, url.split("/", 3)[2]


def after_failure(known: Endpoint | None, result: CallbackResult) -> Endpoint:
    """The endpoint after one more failure; disabled by 410, or at the end of the period."""
    at = result.ended_at
    if known is None or (known.disabled_at is None and at - known.last_failed_at > SILENCE):
        known = Endpoint(result.program, endpoint_of(result.url), at, at, failure_count=0)
    failed = replace(
        known,
        failing_since=min(known.failing_since, at),
        last_failed_at=max(known.last_failed_at, at),
        failure_count=known.failure_count + 1,
        last_status_code=result.status_code,
        last_error=result.error,
    )
    because = _why_disabled(failed)
    if because is None or failed.disabled_at is not None:
        return failed
    return replace(failed, disabled_at=at, disabled_because=because)


def _why_disabled(endpoint: Endpoint) -> str | None:
    if endpoint.last_status_code == HTTPStatus.GONE:
        return "It answered 410 Gone."
    if endpoint.last_failed_at - endpoint.failing_since >= FAILING_PERIOD:
        return f"It has only failed for {FAILING_PERIOD.days} days."
    return None
