"""What may be told to a tracing system of the authorizer's work: these fields and no others.

Belongs here: facts that name no person, key, card number, body or address. A new field is a
decision on what leaves the building, not a convenience.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """One request. `route` is a template, never a path; `traceparent` is as the caller sent it."""

    method: str
    route: str
    status: int
    seconds: float
    request_id: str
    program: str | None = None
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class DecidedBatch:
    """One batch of questions, and the time from its first statement to its commit."""

    requests: int
    seconds: float


@dataclass(frozen=True, slots=True)
class AttemptedCallback:
    """One attempt at a callback. `status_code` is None where nobody answered."""

    program: str
    state: str
    attempt: int
    seconds: float
    status_code: int | None = None
    request_id: str | None = None


TracedEvent: TypeAlias = AnsweredRequest | DecidedBatch | AttemptedCallback
