"""POST /v1/authorizations: the hot route, answered before routing.

A request that arrived in one piece with a key that is cached is answered without a task of its own
(`submit`). Any other one takes the same steps in a task (`decide`): there is one decoder, one rule
and one batcher.
"""

import asyncio
from collections.abc import Callable
from typing import Final, assert_never
from urllib.parse import parse_qs

from authorizer.api.bodies import decode
from authorizer.api.problems import ProblemError, invalid, unavailable
from authorizer.api.schemas import AuthorizationBody
from authorizer.decisions.requests import request_from_body
from authorizer.dependencies import Dependencies
from authorizer.metrics import Metrics
from authorizer.server.replies import (
    MAX_BODY_BYTES,
    PROGRAM,
    REPLAYED_HEADERS,
    Receive,
    Reply,
    Scope,
    header,
    read_body,
)
from cardops.rules.authorizations.decisions import (
    AuthorizationRequest,
    AuthorizationResponse,
    ResponseKind,
    StoreUnavailableError,
)
from cardops.rules.programs.api_keys import Caller
from cardops.rules.programs.api_keys import Scope as KeyScope

PATH: Final = "/v1/authorizations"


async def decide(
    scope: Scope, receive: Receive, *, dependencies: Dependencies, metrics: Metrics, request_id: str
) -> Reply:
    """The reply to one authorization request. Raises ProblemError."""
    ends_at = asyncio.get_running_loop().time() + dependencies.limits.deadline_seconds
    try:
        async with asyncio.timeout_at(ends_at):
            caller = await dependencies.authenticator.authenticate(
                header(scope, b"authorization"), KeyScope.AUTHORIZATIONS_WRITE
            )
        body = await json_body(scope, receive, ends_at)
        async with asyncio.timeout_at(ends_at):
            request = _decode(scope, body, caller, dependencies, request_id)
            return reply_to(request, await dependencies.batcher.decide(request), metrics)
    except TimeoutError:
        metrics.count_decision(ResponseKind.UNDECIDED)
        raise unavailable() from None
    except StoreUnavailableError:
        raise unavailable("The database does not answer.") from None


def submit(
    scope: Scope,
    body: bytes,
    *,
    dependencies: Dependencies,
    metrics: Metrics,
    request_id: str,
    send: Callable[[Reply], None],
) -> bool:
    """Call `send` once with the reply; False, and no call, when the key has to be looked up."""
    try:
        headers = dict(reversed(scope["headers"]))  # the first of a repeated name is kept
        caller = dependencies.authenticator.authenticate_cached(
            headers.get(b"authorization", b"").decode("latin-1"), KeyScope.AUTHORIZATIONS_WRITE
        )
        if caller is None:
            return False
        if headers.get(b"content-type") != b"application/json" or b"content-encoding" in headers:
            check_media_type(scope)
        if len(body) > MAX_BODY_BYTES:
            raise body_too_large()
        request = _decode(scope, body, caller, dependencies, request_id)
    except ProblemError as problem:
        send(problem.reply())
        return True

    def on_response(response: AuthorizationResponse) -> None:
        try:
            reply = reply_to(request, response, metrics)
        except ProblemError as problem:
            reply = problem.reply()
        send(reply)

    dependencies.batcher.submit(request, on_response)
    return True


def _decode(
    scope: Scope, body: bytes, caller: Caller, dependencies: Dependencies, request_id: str
) -> AuthorizationRequest:
    scope[PROGRAM] = caller.program
    return request_from_body(
        decode(body, AuthorizationBody),
        caller,
        request_id=request_id,
        is_dry_run=is_dry_run(scope),
        allow_loopback=dependencies.limits.allow_loopback,
    )


def reply_to(
    request: AuthorizationRequest, response: AuthorizationResponse, metrics: Metrics
) -> Reply:
    """The HTTP reply for a response of the store. Raises ProblemError."""
    metrics.count_decision(response.kind)
    match response.kind:
        case ResponseKind.DECIDED:
            return Reply(200, response.body)
        case ResponseKind.REPLAYED:
            return Reply(200, response.body, REPLAYED_HEADERS)
        case ResponseKind.MISMATCHED:
            raise ProblemError(
                "idempotency-mismatch",
                f"{request.transaction_id} was used for a different request before.",
            )
        case ResponseKind.LOCKED | ResponseKind.UNDECIDED:
            raise unavailable()
        case unreachable:
            assert_never(unreachable)


async def json_body(scope: Scope, receive: Receive, ends_at: float) -> bytes:
    """The bytes of a JSON body within its size limit; `ends_at` is a time of the loop's clock.

    Raises ProblemError (408, 413, 415).
    """
    check_media_type(scope)
    length = header(scope, b"content-length")
    body = None
    if not (length.isdigit() and int(length[:12]) > MAX_BODY_BYTES):
        try:
            async with asyncio.timeout_at(ends_at):
                body = await read_body(receive)
        except TimeoutError:
            raise _body_timeout() from None
    if body is None:
        raise body_too_large()
    return body


def check_media_type(scope: Scope) -> None:
    """Raises ProblemError (415) for anything but uncompressed JSON."""
    media_type = header(scope, b"content-type")
    if media_type != "application/json":
        media_type = media_type.partition(";")[0].strip().lower()
    encoding = header(scope, b"content-encoding").strip().lower()
    if media_type != "application/json" or encoding not in {"", "identity"}:
        raise ProblemError(
            "unsupported-media-type", "The body must be application/json, not compressed."
        )


def _body_timeout() -> ProblemError:
    """408, not 503: the client was slow, and the store was not called."""
    return ProblemError(
        "request-timeout", "The request body was not received in time.",
        headers={"connection": "close"},
    )  # fmt: skip


def body_too_large() -> ProblemError:
    """413. The connection is closed, so that the unread rest is not taken for the next request."""
    return ProblemError(
        "body-too-large", "The body is over 16 KiB.", headers={"connection": "close"}
    )


def is_dry_run(scope: Scope) -> bool:
    """`?dry_run=true` or `false`. Raises ProblemError for anything else, which would spend."""
    query = scope.get("query_string", b"")
    if not query:
        return False
    parameters = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    check_parameters(scope, "dry_run")
    values = parameters.get("dry_run", ["false"])
    if values not in (["true"], ["false"]):
        raise invalid("dry_run", "must be true or false")
    return values == ["true"]


def check_parameters(scope: Scope, *allowed: str) -> None:
    """Raises ProblemError for an unknown query parameter.

    One that is misspelt, or meant for another path, must not be ignored: `dry_run` would spend.
    """
    query = scope.get("query_string", b"")
    if not query:
        return
    for name in parse_qs(query.decode("latin-1"), keep_blank_values=True):
        if name not in allowed:
            raise invalid(
                "query", f"has an unknown parameter; allowed: {', '.join(allowed) or 'none'}"
            )
