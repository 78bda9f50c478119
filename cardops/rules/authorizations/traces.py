"""Events that the authorizer sends to a tracing system: these fields and no others.

Belongs here: facts that name no person, key, card number, body or address. Adding a field is a
decision about what data leaves the company.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """One HTTP request. `route` is a template, never a path; `traceparent` is the caller's."""

    method: str
    route: str
    status: int
    seconds: float
    request_id: str
    program: str | None = None
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class DecidedBatch:
    """One batch of authorization requests, and the time from first statement to commit."""

    requests: int
    seconds: float


@dataclass(frozen=True, slots=True)
class AttemptedCallback:
    """One attempt at a callback. `status_code` is None where no response arrived."""

    program: str
    state: str
    attempt: int
    seconds: float
    status_code: int | None = None
    request_id: str | None = None


TracedEvent: TypeAlias = AnsweredRequest | DecidedBatch | AttemptedCallback
