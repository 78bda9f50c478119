"""POST /v1/authorizations: the route that decides, ahead of any router. There is no other one."""

import asyncio
from typing import Final, assert_never
from urllib.parse import parse_qs

from authorizer.bodies import decode
from authorizer.metrics import Metrics
from authorizer.parts import Parts
from authorizer.problems import ProblemError, invalid, unavailable
from authorizer.questions import question_of
from authorizer.replies import (
    MAX_BODY_BYTES,
    REPLAYED_HEADERS,
    Receive,
    Reply,
    Scope,
    header,
    read_body,
)
from authorizer.schemas import AuthorizationBody
from cardops.rules.access import Scope as KeyScope
from cardops.rules.authorization import Answer, AnswerKind, Question, StoreUnavailableError

PATH: Final = "/v1/authorizations"


async def answer(
    scope: Scope, receive: Receive, *, parts: Parts, metrics: Metrics, request_id: str
) -> Reply:
    """The reply to one question. Raises ProblemError."""
    try:
        async with asyncio.timeout(parts.limits.deadline_seconds):
            caller = await parts.gate.enter(
                header(scope, b"authorization"), KeyScope.AUTHORIZATIONS_WRITE
            )
            question = question_of(
                decode(await json_body(scope, receive), AuthorizationBody),
                caller,
                request_id=request_id,
                is_dry_run=is_dry_run(scope),
                allow_loopback=parts.limits.allow_loopback,
            )
            return reply_to(question, await parts.batcher.ask(question), metrics)
    except TimeoutError:
        metrics.decided(AnswerKind.UNDECIDED)
        raise unavailable() from None
    except StoreUnavailableError:
        raise unavailable("The store does not answer.") from None


def reply_to(question: Question, given: Answer, metrics: Metrics) -> Reply:
    """The HTTP answer for what became of the question. Raises ProblemError."""
    metrics.decided(given.kind)
    match given.kind:
        case AnswerKind.DECIDED:
            return Reply(200, given.body)
        case AnswerKind.REPLAYED:
            return Reply(200, given.body, list(REPLAYED_HEADERS))
        case AnswerKind.MISMATCHED:
            raise ProblemError(
                "idempotency-mismatch",
                f"{question.transaction_id} was decided for another question before.",
            )
        case AnswerKind.UNDECIDED:
            raise unavailable()
        case unreachable:
            assert_never(unreachable)


async def json_body(scope: Scope, receive: Receive) -> bytes:
    """The bytes of a JSON body within its limit. Raises ProblemError (413, 415)."""
    media_type = header(scope, b"content-type").partition(";")[0].strip().lower()
    encoding = header(scope, b"content-encoding").strip().lower()
    if media_type != "application/json" or encoding not in {"", "identity"}:
        raise ProblemError("unsupported-media-type", "The body must be application/json.")
    length = header(scope, b"content-length")
    body = None
    if not (length.isdigit() and int(length[:12]) > MAX_BODY_BYTES):
        body = await read_body(receive)
    if body is None:
        # What was not read must not be taken for the next request.
        raise ProblemError(
            "body-too-large", "The body is over 16 KiB.", headers={"connection": "close"}
        )
    return body


def is_dry_run(scope: Scope) -> bool:
    """`?dry_run=true` or `false`. Raises ProblemError for anything else."""
    query = scope.get("query_string", b"")
    if not query:
        return False
    values = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("dry_run", ["false"])
    if values not in (["true"], ["false"]):
        raise invalid("dry_run", "must be true or false")
    return values == ["true"]
