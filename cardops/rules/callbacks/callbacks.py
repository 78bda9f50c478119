"""Callbacks owed to partners: when to try again, how they are signed, what became of them.

Belongs here: the retry schedule, Standard Webhooks signatures, the verdict on a response. Which
addresses may be called is in cardops.rules.callbacks.urls.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Final

# Seconds after each attempt until the next; the last failure is the end.
RETRY_SECONDS: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
MAX_RETRY_AFTER_SECONDS: Final = 86_400
JITTER: Final = 0.2
MAX_ERROR_LENGTH: Final = 500
MAX_LIVE_SECRETS: Final = 2
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - the prefix of every secret, not one
SECRET_BYTES: Final = 32
MIN_SECRET_BYTES: Final = 16


class CallbackState(StrEnum):
    """`dead`: given up, to be replayed by a person."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Callback:
    """The bytes of an answer, owed to a URL. `callback_id` is the same at every attempt.

    `request_id` is that of the request that was answered.
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
    """What became of one attempt; `next_attempt_at` where another one follows."""

    callback_id: str
    attempt_count: int
    state: CallbackState
    ended_at: datetime
    next_attempt_at: datetime | None = None
    status_code: int | None = None
    error: str | None = None
    program: str = ""
    url: str = ""
    # Which lease the attempt had: one that was lost has nothing to say.
    leased_until: datetime | None = None
    duration_milliseconds: int = 0
    is_our_fault: bool = False

    @property
    def is_failure_of_endpoint(self) -> bool:
        """Whether this speaks against the endpoint."""
        return self.state is not CallbackState.DELIVERED and not self.is_our_fault


@dataclass(frozen=True, slots=True)
class CallbackSelection:
    """Which callbacks to owe again: made from `since` until before `until`, in that state."""

    since: datetime
    until: datetime
    state: CallbackState = CallbackState.DEAD
    program: str | None = None
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class CallbackAttempt:
    """A line of the delivery log. Nothing that the partner answered but its status is in it."""

    callback_id: str
    attempt_count: int
    started_at: datetime
    duration_milliseconds: int
    status_code: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Response:
    """What a partner's server said; no status code where it said nothing.

    `is_our_fault`: it was never asked, because something is missing here.
    """

    status_code: int | None = None
    retry_after: str | None = None
    error: str | None = None
    is_our_fault: bool = False


def verdict(
    callback: Callback,
    response: Response,
    at: datetime,
    jitter: float,
    *,
    duration_milliseconds: int = 0,
) -> CallbackResult:
    """2xx is success, 410 the end, anything else another try while the schedule lasts.

    `jitter` is a random number from 0 to 1.
    """
    code = response.status_code
    state, next_at = CallbackState.DEAD, None
    if code is not None and code // 100 == HTTPStatus.OK // 100:
        state = CallbackState.DELIVERED
    elif code != HTTPStatus.GONE and callback.attempt_count <= len(RETRY_SECONDS):
        state = CallbackState.PENDING
        next_at = at + _pause(callback.attempt_count, response.retry_after, at, jitter)
    return CallbackResult(
        callback.callback_id,
        callback.attempt_count,
        state,
        at,
        next_at,
        code,
        clean_error(response.error),
        callback.program,
        callback.url,
        callback.next_attempt_at,
        duration_milliseconds,
        response.is_our_fault,
    )


def attempt_of(result: CallbackResult) -> CallbackAttempt:
    """The line of the delivery log that tells of it."""
    return CallbackAttempt(
        result.callback_id,
        result.attempt_count,
        result.ended_at - timedelta(milliseconds=result.duration_milliseconds),
        result.duration_milliseconds,
        result.status_code,
        result.error,
    )


def clean_error(error: str | None) -> str | None:
    """An error fit to be stored: short, and without NUL, which PostgreSQL cannot keep."""
    return error.replace("\0", "")[:MAX_ERROR_LENGTH] if error else None


def retry_after_seconds(header: str | None, at: datetime) -> float:
    """Seconds a Retry-After header asks for, 0 where it is none, a day at most."""
    text = (header or "").strip()
    seconds = 0.0
    if text.isascii() and text.isdigit():
        seconds = float(text[:9])
    elif text:
        try:
            until = parsedate_to_datetime(text)
        except (ValueError, OverflowError):  # a year of twenty digits is no date either
            return 0.0
        seconds = (until if until.tzinfo else until.replace(tzinfo=UTC)).timestamp()
        seconds -= at.timestamp()
    return min(max(seconds, 0.0), float(MAX_RETRY_AFTER_SECONDS))


def sign(callback_id: str, at: datetime, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The three headers of Standard Webhooks, signed with every live secret.

    Raises ValueError where a secret is none.
    """
    timestamp = str(int(at.timestamp()))
    content = f"{callback_id}.{timestamp}.".encode() + body
    signatures = [f"v1,{_signature(secret, content)}" for secret in secrets]
    return {
        "webhook-id": callback_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signatures),
    }


def secret_text(random_bytes: bytes) -> str:
    """`whsec_` and the base64 of the key."""
    return SECRET_PREFIX + base64.b64encode(random_bytes).decode()


def _pause(attempt_count: int, retry_after: str | None, at: datetime, jitter: float) -> timedelta:
    base = RETRY_SECONDS[max(attempt_count, 1) - 1]
    spread = base * (1 + JITTER * (2 * jitter - 1))
    return timedelta(seconds=max(spread, retry_after_seconds(retry_after, at)))


def _signature(secret: str, content: bytes) -> str:
    # Strictly: what is no base64 would be skipped, and an empty key is one that anybody has.
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    if len(key) < MIN_SECRET_BYTES:
        raise ValueError(f"a callback secret has less than {MIN_SECRET_BYTES} bytes")
    return base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
