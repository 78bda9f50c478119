"""Authorization requests and callbacks with defaults; a test names only what it cares about."""

from datetime import UTC, datetime
from itertools import count

from cardops.rules.authorizations.decisions import AuthorizationRequest
from cardops.rules.authorizations.request_hashes import request_hash
from cardops.rules.callbacks.callbacks import Callback, CallbackState

PROGRAM = "default"
USER = "user_1"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

_numbers = count(1)


def a_request(  # noqa: PLR0913 - all but the id have defaults
    transaction_id: str = "txn_1",
    *,
    amount_minor: int = 2500,
    user_id: str = USER,
    currency: str = "USD",
    program: str = PROGRAM,
    is_capture: bool = True,
    callback_url: str | None = None,
    is_dry_run: bool = False,
) -> AuthorizationRequest:
    return AuthorizationRequest(
        program=program,
        transaction_id=transaction_id,
        user_id=user_id,
        amount_minor=amount_minor,
        currency=currency,
        request_hash=request_hash(
            user_id,
            amount_minor,
            currency,
            is_capture=is_capture,
            callback_url=callback_url,
            details=None,
        ),
        authorization_id=f"auth_{next(_numbers):08d}",
        is_capture=is_capture,
        callback_url=callback_url,
        request_id="request-1",
        is_dry_run=is_dry_run,
    )


def a_callback(callback_id: str = "cb_1", *, attempt_count: int = 1) -> Callback:
    return Callback(
        callback_id=callback_id,
        program=PROGRAM,
        transaction_id="txn_1",
        url="https://hooks.example.com/",
        is_test=False,
        body=b"{}",
        state=CallbackState.PENDING,
        attempt_count=attempt_count,
        next_attempt_at=NOON,
        created_at=NOON,
    )
