"""Actions over HTTP: from path and body to an action, and from its response to a reply.

A complete request with a cached key is answered without a task of its own (`submit`), ahead of the
router, which costs more than the action. Any other one takes the same steps in a route of
authorizer.api.authorizations.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, assert_never

from authorizer.api.bodies import amount_text, checked_id, decode, is_id
from authorizer.api.problems import NOT_COMMITTED, ProblemError, invalid, unavailable
from authorizer.api.schemas import CaptureBody, IncrementBody, RefundBody, VoidBody
from authorizer.decisions.route import PATH, body_too_large, check_media_type, check_parameters
from authorizer.dependencies import Dependencies
from authorizer.server.replies import (
    MAX_BODY_BYTES,
    PROGRAM,
    REPLAYED_HEADERS,
    Reply,
    Scope,
    header,
)
from cardops.rules.authorizations.actions import (
    ActionKind,
    ActionResponse,
    ActionResult,
    AuthorizationAction,
)
from cardops.rules.programs.api_keys import Caller
from cardops.rules.programs.api_keys import Scope as KeyScope

_PREFIX: Final = f"{PATH}/"
# What a caller may ask for; holds expire by themselves.
KINDS: Final = {
    kind.value: kind
    for kind in (ActionKind.CAPTURE, ActionKind.VOID, ActionKind.REFUND, ActionKind.INCREMENT)
}
# Those whose body may be absent.
_OPTIONAL_BODY: Final = {ActionKind.CAPTURE, ActionKind.VOID}


class ActionPath(NamedTuple):
    """The path of an action."""

    kind: ActionKind
    transaction_id: str

    @property
    def template(self) -> str:
        """The route's template, by which it is counted."""
        return f"{_PREFIX}{{transaction_id}}/{self.kind.value}"


def action_path(path: str) -> ActionPath | None:
    """The kind and the authorization that a path names; None where it names no action."""
    if not path.startswith(_PREFIX):
        return None
    transaction_id, _, name = path[len(_PREFIX) :].rpartition("/")
    kind = KINDS.get(name)
    if kind is None or not transaction_id or "/" in transaction_id:
        return None
    return ActionPath(kind, transaction_id)


def submit(
    scope: Scope,
    path: ActionPath,
    body: bytes,
    *,
    dependencies: Dependencies,
    request_id: str,
    send: Callable[[Reply], None],
) -> bool:
    """Call `send` once with the reply; False, and no call, when the key has to be looked up."""
    try:
        caller = dependencies.authenticator.authenticate_cached(
            header(scope, b"authorization"), KeyScope.AUTHORIZATIONS_WRITE
        )
        if caller is None:
            return False
        scope[PROGRAM] = caller.program
        check_parameters(scope)
        if has_no_body(scope, path.kind):
            body = b"{}"
        else:
            check_media_type(scope)
        if len(body) > MAX_BODY_BYTES:
            raise body_too_large()
        action = action_from_body(path, body, caller, request_id)
    except ProblemError as problem:
        send(problem.reply())
        return True

    def on_response(response: ActionResponse) -> None:
        try:
            reply = reply_to_action(response)
        except ProblemError as problem:
            reply = problem.reply()
        send(reply)

    dependencies.batcher.submit_action(action, on_response)
    return True


def has_no_body(scope: Scope, kind: ActionKind) -> bool:
    """Whether the request has no body and needs none."""
    return (
        kind in _OPTIONAL_BODY
        and header(scope, b"content-length") in {"", "0"}
        and not header(scope, b"transfer-encoding")
    )


def action_from_body(
    path: ActionPath, body: bytes, caller: Caller, request_id: str
) -> AuthorizationAction:
    """The action, checked field by field. Raises ProblemError."""
    kind, transaction_id = path
    amount: str | None = None
    key = ""
    match kind:
        case ActionKind.CAPTURE:
            amount = amount_text(decode(body, CaptureBody).amount)
        case ActionKind.VOID:
            decode(body, VoidBody)
            checked_id("transaction_id", transaction_id)
        case ActionKind.REFUND:
            refund = decode(body, RefundBody)
            key, amount = (
                checked_id("refund_id", refund.refund_id),
                amount_text(refund.amount) or "",
            )
        case _:
            raised = decode(body, IncrementBody)
            key = checked_id("increment_id", raised.increment_id)
            amount = amount_text(raised.amount) or ""
    if not is_id(transaction_id):
        raise unknown_authorization()
    return AuthorizationAction(
        kind, caller.program, transaction_id, amount, key, caller.key_id, request_id
    )


def reply_to_action(response: ActionResponse) -> Reply:
    """The HTTP reply for an action's result. Raises ProblemError."""
    match response.result:
        case ActionResult.DONE:
            return Reply(200, response.body)
        case ActionResult.REPLAYED:
            return Reply(200, response.body, REPLAYED_HEADERS)
        case ActionResult.UNKNOWN:
            raise unknown_authorization()
        case ActionResult.FORBIDDEN:
            state = str(response.state)
            raise ProblemError("invalid-state", f"The authorization is {state}.", state=state)
        case ActionResult.MISMATCHED:
            raise ProblemError("idempotency-mismatch", "This id was used with another amount.")
        case ActionResult.INVALID:
            raise invalid("amount", response.detail)
        case ActionResult.INCONSISTENT | ActionResult.LOCKED | ActionResult.UNDECIDED:
            raise unavailable(response.detail or NOT_COMMITTED)
        case unreachable:
            assert_never(unreachable)


def unknown_authorization() -> ProblemError:
    """One problem for an unknown id and for one of another program, so that neither is revealed."""
    return ProblemError("not-found", "Unknown authorization in this program.")
