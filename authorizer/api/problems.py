"""The closed catalogue of problems (RFC 9457), each also served as a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from authorizer.api.schemas import FieldError, ProblemOut
from authorizer.server.replies import Reply

NOT_COMMITTED: Final = "The store did not commit in time."
MEDIA_TYPE: Final = b"application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: its HTTP status, its title, and what the caller should do."""

    status: int
    title: str
    advice: str


KINDS: Final[Mapping[str, Kind]] = {
    "unauthorized": Kind(
        401,
        "No valid key",
        "Send `Authorization: Bearer cpk_…` with a key that is not revoked; `cardops key create` makes one.",
    ),
    "forbidden": Kind(403, "Scope missing", "Use a key that has the scope named in the detail."),
    "not-found": Kind(
        404, "Not found", "Check the path and the id; ids of other programs are not found either."
    ),
    "method-not-allowed": Kind(
        405, "Method not allowed", "Use a method that the Allow header names."
    ),
    "invalid-state": Kind(
        409,
        "The state forbids this",
        "Read the member `state`: it is the authorization's present state.",
    ),
    "body-too-large": Kind(413, "Body too large", "Keep a body within 16 KiB."),
    "malformed-http": Kind(
        400, "Malformed HTTP", "Send HTTP/1.1 with one Content-Length or one Transfer-Encoding."
    ),
    "request-timeout": Kind(
        408, "Request timeout", "Send the whole request without pauses. Its id is not used up."
    ),
    "headers-too-large": Kind(431, "Headers too large", "Send at most 100 headers and 32 KiB."),
    "unsupported-media-type": Kind(
        415, "Unsupported media type", "Send `Content-Type: application/json`, not compressed."
    ),
    "invalid-request": Kind(
        422, "Invalid request", "Fix the fields named in `errors`. The id is not used up."
    ),
    "idempotency-mismatch": Kind(
        422,
        "Id already used for a different request",
        "This id was used before with other content. Use a new id for a new request.",
    ),
    "too-many-requests": Kind(429, "Too many requests", "Wait for the seconds in Retry-After."),
    "internal-error": Kind(
        500,
        "Internal error",
        "Retry with the same id: a stored decision is replayed, nothing is decided twice.",
    ),
    "unavailable": Kind(
        503,
        "Not committed in time",
        "Nothing is permitted without a commit. Retry with the same id after Retry-After.",
    ),
    "read-timeout": Kind(
        503,
        "The read took too long",
        "Retry after Retry-After, a list with a smaller `limit`. Decisions are not affected by reads.",
    ),
}


class ProblemError(Exception):
    """Ends a request with a problem response."""

    def __init__(
        self,
        slug: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        state: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.slug = slug
        self.detail = detail
        self.errors = list(errors)
        self.state = state
        self.headers = dict(headers or {})

    def reply(self) -> Reply:
        """The response to send."""
        kind = KINDS[self.slug]
        body = ProblemOut(
            f"/problems/{self.slug}", kind.title, kind.status, self.detail, self.errors, self.state
        )
        headers = [(b"content-type", MEDIA_TYPE), (b"cache-control", b"no-store")]
        headers += [(name.encode(), value.encode()) for name, value in self.headers.items()]
        return Reply(kind.status, msgspec.json.encode(body), tuple(headers))


def invalid(field: str, detail: str) -> ProblemError:
    """A problem with one field; its value is never repeated."""
    return ProblemError(
        "invalid-request", f"{field} {detail}.", errors=[FieldError(field, f"{field} {detail}.")]
    )


def read_timeout() -> ProblemError:
    """A problem that asks the caller to read again in a second."""
    detail = "The database did not answer this read in time."
    return ProblemError("read-timeout", detail, headers={"retry-after": "1"})


def unavailable(detail: str = NOT_COMMITTED) -> ProblemError:
    """A problem that asks the caller to retry in a second."""
    return ProblemError("unavailable", detail, headers={"retry-after": "1"})
