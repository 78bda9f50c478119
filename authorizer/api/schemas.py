"""Types of request and response bodies, which both decode and document them.

Belongs here: shapes. Validation beyond the shape is in authorizer.api.bodies.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from cardops.rules.authorizations.decisions import ReasonCode, Status
from cardops.rules.authorizations.records import State
from cardops.rules.callbacks.callbacks import CallbackState
from cardops.rules.callbacks.urls import MAX_URL_LENGTH
from cardops.rules.currencies import EXPONENTS

ID_SCHEMA: Final = "^(?!\\.{1,2}$)[A-Za-z0-9_.:-]{1,64}$"
CURSOR_SCHEMA: Final = "^cb_[0-9a-f]{1,61}$"
# 2^53 - 1 minor units of a currency with two digits; the currency's own digits are checked too.
MAX_AMOUNT: Final = 90_071_992_547_409
AMOUNT_SCHEMA: Final[dict[str, Any]] = {
    "description": "In the currency's own unit, read exactly; a JSON number or decimal string.",
    "examples": [25.00, "25.00"],
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_AMOUNT},
        {"type": "string", "pattern": "^[0-9]{1,14}(\\.[0-9]{1,4})?$"},
    ],
}
Id = Annotated[str, Meta(min_length=1, max_length=64, extra_json_schema={"pattern": ID_SCHEMA})]
AmountIn = Annotated[msgspec.Raw, Meta(extra_json_schema=AMOUNT_SCHEMA)]
AmountOrNull = Annotated[
    msgspec.Raw,
    Meta(extra_json_schema={**AMOUNT_SCHEMA, "anyOf": [*AMOUNT_SCHEMA["anyOf"], {"type": "null"}]}),
]
CurrencyIn = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=3,
        description="ISO 4217, upper case",
        extra_json_schema={"enum": sorted(EXPONENTS)},
    ),
]
Url = Annotated[str, Meta(max_length=MAX_URL_LENGTH, extra_json_schema={"format": "uri"})]
Digits4 = Annotated[str, Meta(pattern="^[0-9]{4}$", max_length=4)]
Country = Annotated[str, Meta(pattern="^[A-Z]{2,3}$", max_length=3)]
Channel = Annotated[str, Meta(pattern="^[a-z0-9_-]{1,32}$", max_length=32)]
Text = Annotated[str, Meta(min_length=1, max_length=200)]
StatusOut = Annotated[str, Meta(extra_json_schema={"enum": list(Status)})]
ReasonCodeOut = Annotated[str, Meta(extra_json_schema={"enum": list(ReasonCode)})]


class Merchant(Struct, frozen=True, forbid_unknown_fields=True):
    """The merchant to be paid."""

    id: Text | None = None
    name: Text | None = None
    mcc: Digits4 | None = None
    country: Country | None = None


class AuthorizationBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An authorization request: may this user spend this amount?"""

    transaction_id: Id
    user_id: Id
    amount: AmountIn
    currency: CurrencyIn | None = None
    capture: bool | None = None
    callback_url: Url | None = None
    merchant: Merchant | None = None
    channel: Channel | None = None
    metadata: dict[str, Any] | None = None


class CaptureBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The amount to capture; the whole hold by default."""

    # A factory: msgspec cannot document a Raw default.
    amount: AmountOrNull = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))


class VoidBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An empty object: a void releases the whole hold."""


class RefundBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A refund of captured money, whole or partial."""

    amount: AmountIn
    refund_id: Id


class IncrementBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An increase of a hold."""

    amount: AmountIn
    increment_id: Id


class AsOf(Struct, frozen=True):
    """The account's sequence number that the decision was made at."""

    ledger_seq: int


class AuthorizationOut(Struct, frozen=True):
    """A decision."""

    transaction_id: str
    authorization_id: str
    status: StatusOut
    reason_code: ReasonCodeOut
    reason: str
    amount: float
    currency: str
    remaining_credit: float
    decided_at: str
    as_of: AsOf


class IncrementOut(Struct, frozen=True):
    """The decision on an increment."""

    id: str
    status: StatusOut
    reason_code: ReasonCodeOut
    amount: float


class AuthorizationState(Struct, frozen=True, omit_defaults=True):
    """A decision, null while its request has not arrived, with its present state."""

    decision: AuthorizationOut | None
    state: Annotated[str, Meta(extra_json_schema={"enum": list(State)})]
    held_amount: float
    captured_amount: float
    currency: str
    increment: IncrementOut | msgspec.UnsetType = msgspec.UNSET


class CreditOut(Struct, frozen=True):
    """An account's balances."""

    currency: str
    remaining_credit: float
    held: float
    ledger_balance: float


class UserCredit(Struct, frozen=True):
    """A user's accounts."""

    user_id: str
    credit: list[CreditOut]


class CallbackOut(Struct, frozen=True):
    """A callback of the program; its body is the response to the authorization request."""

    id: str
    transaction_id: str
    url: str
    status: Annotated[str, Meta(extra_json_schema={"enum": list(CallbackState)})]
    attempts: int
    created_at: str
    next_attempt_at: str | None
    last_status_code: int | None
    last_error: str | None


class CallbackPage(Struct, frozen=True):
    """A page of callbacks, newest first."""

    data: list[CallbackOut]
    next_cursor: str | None


class CallbackReplayed(Struct, frozen=True):
    """A callback that is pending again after a replay."""

    id: str
    status: Annotated[str, Meta(extra_json_schema={"enum": ["pending"]})] = "pending"


class Health(Struct, frozen=True):
    """The process is healthy."""

    status: Annotated[str, Meta(extra_json_schema={"enum": ["ok"]})]


class FieldError(Struct, frozen=True):
    """Why one field is invalid."""

    field: str
    detail: str


class ProblemOut(Struct, frozen=True, omit_defaults=True):
    """A problem (RFC 9457). `errors` names invalid fields, `state` the state that forbids the action."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = []
    state: str | None = None
