"""From a decoded body to the request that the rules decide."""

import json
import secrets
import time

from authorizer.api.bodies import (
    checked_amount,
    checked_currency,
    checked_id,
    details_of,
    with_masked_card_numbers,
)
from authorizer.api.problems import invalid
from authorizer.api.schemas import AuthorizationBody
from cardops.rules.authorizations.decisions import AuthorizationRequest
from cardops.rules.authorizations.request_hashes import request_hash
from cardops.rules.callbacks.urls import UrlRefused, check_callback_url
from cardops.rules.programs.api_keys import Caller


def request_from_body(
    body: AuthorizationBody,
    caller: Caller,
    *,
    request_id: str,
    is_dry_run: bool = False,
    allow_loopback: bool = False,
) -> AuthorizationRequest:
    """The request, checked field by field. Raises ProblemError."""
    transaction_id = checked_id("transaction_id", body.transaction_id)
    user_id = checked_id("user_id", body.user_id)
    currency = caller.currency if body.currency is None else checked_currency(body.currency)
    amount_minor = checked_amount(body.amount, currency)
    url = _checked_url(body.callback_url, caller, allow_loopback=allow_loopback)
    details = with_masked_card_numbers(details_of(body))
    is_capture = body.capture is not False
    return AuthorizationRequest(
        program=caller.program,
        transaction_id=transaction_id,
        user_id=user_id,
        amount_minor=amount_minor,
        currency=currency,
        request_hash=request_hash(
            user_id,
            amount_minor,
            currency,
            is_capture=is_capture,
            callback_url=url,
            details=details,
        ),
        authorization_id=new_authorization_id(),
        is_capture=is_capture,
        callback_url=url,
        is_test=caller.is_test,
        details=None if details is None else json.dumps(details),
        key_id=caller.key_id,
        request_id=request_id,
        is_dry_run=is_dry_run,
    )


def new_authorization_id() -> str:
    """`auth_` and hexadecimal digits that sort by the time of creation."""
    return f"auth_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def _checked_url(url: str | None, caller: Caller, *, allow_loopback: bool) -> str | None:
    if url is None:
        return None
    checked = check_callback_url(
        url, caller.callback_hosts, may_use_loopback=allow_loopback and caller.is_test
    )
    if isinstance(checked, UrlRefused):
        raise invalid("callback_url", checked.reason)
    return checked
