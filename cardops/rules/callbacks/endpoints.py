"""Callback endpoints and host queues: when an endpoint is disabled, what a worker may lease.

Belongs here: how failures add up, why an endpoint is disabled, the capacity of host queues. The
result of a single attempt is in cardops.rules.callbacks.callbacks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final, TypeAlias

from cardops.rules.callbacks.callbacks import CallbackResult

# An endpoint whose attempts have all failed for this long is disabled.
FAILING_PERIOD: Final = timedelta(days=5)
# Longer than any pause of the retry schedule. After a gap this long without an attempt nothing is
# known about the time between, so the failing period starts again.
MAX_GAP: Final = timedelta(days=2)
ENDPOINT_DISABLED: Final = (
    "Endpoint disabled, not called; enable it with `cardops callbacks enable`."
)

# (program, host and port of the URL): identifies a host queue, the callbacks of one program to one
# host.
HostQueueKey: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL without its query, all of whose attempts have failed since `failing_since`."""

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
    """How many more callbacks a worker accepts from each host queue; `default` for unlisted ones."""

    default: int
    by_queue: Mapping[HostQueueKey, int] = field(default_factory=dict)

    def of(self, key: HostQueueKey) -> int:
        """At least 0."""
        return max(self.by_queue.get(key, self.default), 0)


def endpoint_of(url: str) -> str:
    """The URL without its query, which may differ with every callback."""
    return url.partition("?")[0]


def host_queue_key(program: str, url: str) -> HostQueueKey:
    """The program with host and port of a URL, given in its parsed form."""
    return program, url.split("/", 3)[2]


def after_failure(earlier: Endpoint | None, result: CallbackResult) -> Endpoint:
    """The endpoint after one more failure; disabled by 410 or when FAILING_PERIOD is reached."""
    at = result.ended_at
    if earlier is None or (earlier.disabled_at is None and at - earlier.last_failed_at > MAX_GAP):
        earlier = Endpoint(result.program, endpoint_of(result.url), at, at, failure_count=0)
    failed = replace(
        earlier,
        failing_since=min(earlier.failing_since, at),
        last_failed_at=max(earlier.last_failed_at, at),
        failure_count=earlier.failure_count + 1,
        last_status_code=result.status_code,
        last_error=result.error,
    )
    reason = _reason_to_disable(failed)
    if reason is None or failed.disabled_at is not None:
        return failed
    return replace(failed, disabled_at=at, disabled_because=reason)


def _reason_to_disable(endpoint: Endpoint) -> str | None:
    if endpoint.last_status_code == HTTPStatus.GONE:
        return "It answered 410 Gone."
    if endpoint.last_failed_at - endpoint.failing_since >= FAILING_PERIOD:
        return f"All attempts have failed for {FAILING_PERIOD.days} days."
    return None
