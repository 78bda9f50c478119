"""A callback and its attempts: the retry schedule, and what a response means.

Belongs here: states, results, retry times. Signing secrets are in cardops.rules.callbacks.secrets,
and which addresses may be called in cardops.rules.callbacks.urls.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Final

# Seconds from each failed attempt to the next; when the list is used up, the callback is dead.
RETRY_SECONDS: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
MAX_RETRY_AFTER_SECONDS: Final = 86_400
JITTER: Final = 0.2
MAX_ERROR_LENGTH: Final = 500


class CallbackState(StrEnum):
    """`dead`: no further attempt unless a person replays it."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Callback:
    """The bytes of a decision's response, to be sent to a URL.

    `callback_id` is the same at every attempt. `request_id` is the id of the authorization request
    that was answered. All instants are UTC.
    """

    callback_id: str
    program: str
    transaction_id: str
    url: str
    is_test: bool
    body: bytes
    state: CallbackState
    attempt_count: int
    next_attempt_at: datetime
    created_at: datetime
    last_status_code: int | None = None
    last_error: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class CallbackResult:
    """The outcome of one attempt; `next_attempt_at` is set when another attempt follows."""

    callback_id: str
    attempt_count: int
    state: CallbackState
    ended_at: datetime
    next_attempt_at: datetime | None = None
    status_code: int | None = None
    error: str | None = None
    program: str = ""
    url: str = ""
    # Identifies the attempt's lease: the result of an expired lease is ignored.
    leased_until: datetime | None = None
    duration_milliseconds: int = 0
    is_local_failure: bool = False

    @property
    def is_endpoint_failure(self) -> bool:
        """Whether the attempt counts as a failure of the endpoint."""
        return self.state is not CallbackState.DELIVERED and not self.is_local_failure


@dataclass(frozen=True, slots=True)
class CallbackSelection:
    """Callbacks to replay: created from `since` until before `until`, in the given state."""

    since: datetime
    until: datetime
    state: CallbackState = CallbackState.DEAD
    program: str | None = None
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class CallbackAttempt:
    """An entry of the delivery log. Of the partner's response it holds the status code only."""

    callback_id: str
    attempt_count: int
    started_at: datetime
    duration_milliseconds: int
    status_code: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class CallbackResponse:
    """The response of a partner's server; no status code when there was none.

    `is_local_failure`: the endpoint was never called, because something is missing on our side.
    """

    status_code: int | None = None
    retry_after: str | None = None
    error: str | None = None
    is_local_failure: bool = False


def attempt_result(
    callback: Callback,
    response: CallbackResponse,
    at: datetime,
    jitter: float,
    *,
    duration_milliseconds: int = 0,
) -> CallbackResult:
    """2xx delivers, 410 ends it, anything else is retried until the schedule is used up.

    `jitter` is a random number from 0 to 1.
    """
    code = response.status_code
    state, next_at = CallbackState.DEAD, None
    if code is not None and code // 100 == HTTPStatus.OK // 100:
        state = CallbackState.DELIVERED
    elif code != HTTPStatus.GONE and callback.attempt_count <= len(RETRY_SECONDS):
        state = CallbackState.PENDING
        next_at = at + _retry_delay(callback.attempt_count, response.retry_after, at, jitter)
    return CallbackResult(
        callback.callback_id,
        callback.attempt_count,
        state,
        at,
        next_at,
        code,
        storable_error(response.error),
        callback.program,
        callback.url,
        callback.next_attempt_at,
        duration_milliseconds,
        response.is_local_failure,
    )


def attempt_of(result: CallbackResult) -> CallbackAttempt:
    """The entry of the delivery log for a result."""
    return CallbackAttempt(
        result.callback_id,
        result.attempt_count,
        result.ended_at - timedelta(milliseconds=result.duration_milliseconds),
        result.duration_milliseconds,
        result.status_code,
        result.error,
    )


def storable_error(error: str | None) -> str | None:
    """The error cut to its maximum length, without NUL, which PostgreSQL cannot store."""
    return error.replace("\0", "")[:MAX_ERROR_LENGTH] if error else None


def retry_after_seconds(header: str | None, at: datetime) -> float:
    """Seconds that a Retry-After header asks for: 0 when invalid or absent, at most a day."""
    text = (header or "").strip()
    seconds = 0.0
    if text.isascii() and text.isdigit():
        seconds = float(text[:9])
    elif text:
        try:
            until = parsedate_to_datetime(text)
        except (ValueError, OverflowError):  # e.g. a year of twenty digits
            return 0.0
        seconds = (until if until.tzinfo else until.replace(tzinfo=UTC)).timestamp()
        seconds -= at.timestamp()
    return min(max(seconds, 0.0), float(MAX_RETRY_AFTER_SECONDS))


def _retry_delay(
    attempt_count: int, retry_after: str | None, at: datetime, jitter: float
) -> timedelta:
    base = RETRY_SECONDS[max(attempt_count, 1) - 1]
    spread = base * (1 + JITTER * (2 * jitter - 1))
    return timedelta(seconds=max(spread, retry_after_seconds(retry_after, at)))
