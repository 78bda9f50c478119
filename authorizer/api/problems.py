"""What can be wrong with a request: a closed catalogue, answered as RFC 9457 and served as pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from authorizer.api.schemas import FieldError, ProblemOut
from authorizer.server.replies import Reply

MEDIA_TYPE: Final = b"application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: its status, its title, and what to do about it."""

    status: int
    title: str
    advice: str


KINDS: Final[Mapping[str, Kind]] = {
    "unauthorized": Kind(
        401,
        "No valid key",
        "Send `Authorization: Bearer cpk_…` with a live key; `cardops key create` makes one.",
    ),
    "forbidden": Kind(
        403, "Key without this scope", "Use a key that has the scope named in the detail."
    ),
    "not-found": Kind(
        404, "Not found", "Check the path and the id; ids of other programs are not found either."
    ),
    "method-not-allowed": Kind(
        405, "Method not allowed", "Use a method that the Allow header names."
    ),
    "invalid-state": Kind(
        409, "The state forbids this", "The member `state` says where the authorization stands."
    ),
    "body-too-large": Kind(413, "Body too large", "Keep a body within 16 KiB."),
    "malformed-http": Kind(
        400, "Not HTTP", "Send well-formed HTTP/1.1, with one Content-Length or one coding."
    ),
    "request-timeout": Kind(
        408, "Too slow", "Send a request whole and at once. Its id is not used up."
    ),
    "headers-too-large": Kind(431, "Headers too large", "Send at most 100 headers and 32 KiB."),
    "unsupported-media-type": Kind(
        415, "Not JSON", "Send `Content-Type: application/json`, not compressed."
    ),
    "invalid-request": Kind(
        422, "Invalid request", "Fix the fields named in `errors`. The id is not used up."
    ),
    "idempotency-mismatch": Kind(
        422,
        "The id belongs to another question",
        "This id was used with other content before. Use a new id for a new question.",
    ),
    "too-many-requests": Kind(429, "Too many requests", "Wait as long as Retry-After says."),
    "internal-error": Kind(
        500,
        "Something broke",
        "Ask again with the same id: what was decided is answered, nothing is decided twice.",
    ),
    "unavailable": Kind(
        503,
        "Not committed in time",
        "Nothing is permitted without a commit. Ask again with the same id after Retry-After.",
    ),
}


class ProblemError(Exception):
    """Ends a request with a problem."""

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
        """The answer to send."""
        kind = KINDS[self.slug]
        body = ProblemOut(
            f"/problems/{self.slug}", kind.title, kind.status, self.detail, self.errors, self.state
        )
        headers = [(b"content-type", MEDIA_TYPE), (b"cache-control", b"no-store")]
        headers += [(name.encode(), value.encode()) for name, value in self.headers.items()]
        return Reply(kind.status, msgspec.json.encode(body), tuple(headers))


def invalid(field: str, detail: str) -> ProblemError:
    """One field that is wrong; the value itself is never repeated."""
    return ProblemError(
        "invalid-request", f"{field} {detail}.", errors=[FieldError(field, f"{field} {detail}.")]
    )


def unavailable(detail: str = "The store did not commit in time.") -> ProblemError:
    """Try again in a second."""
    return ProblemError("unavailable", detail, headers={"retry-after": "1"})
