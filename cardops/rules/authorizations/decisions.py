"""The decision on what a user wants to spend: values in, values out.

Belongs here: questions, answers, and the one rule that decides, for one and for a batch. What
may happen to an authorization afterwards is in cardops.rules.authorizations.actions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from cardops.rules.accounts.spending_limits import (
    Allowance,
    SpendingLimit,
    count_permitted,
    is_within_limits,
)
from cardops.rules.money import format_amount

# (program, user_id, currency) and (program, transaction_id).
AccountKey: TypeAlias = tuple[str, str, str]
IdKey: TypeAlias = tuple[str, str]


class Status(StrEnum):
    """A decision's two outcomes."""

    PERMIT = "PERMIT"
    REJECT = "REJECT"


class ReasonCode(StrEnum):
    """Why: a closed set (interfaces.md, "HTTP API")."""

    SUFFICIENT_CREDIT = "sufficient_credit"
    INSUFFICIENT_CREDIT = "insufficient_credit"
    UNKNOWN_USER = "unknown_user"
    CURRENCY_NOT_SUPPORTED = "currency_not_supported"
    VELOCITY_LIMIT = "velocity_limit"
    ACCOUNT_BLOCKED = "account_blocked"
    VOIDED_BEFORE_ARRIVAL = "voided_before_arrival"


REASON_TEXTS: Final[Mapping[ReasonCode, str]] = {
    ReasonCode.SUFFICIENT_CREDIT: "Sufficient credit",
    ReasonCode.INSUFFICIENT_CREDIT: "Insufficient credit",
    ReasonCode.UNKNOWN_USER: "Unknown user",
    ReasonCode.CURRENCY_NOT_SUPPORTED: "The user has no account in this currency",
    ReasonCode.VELOCITY_LIMIT: "Over a spending limit",
    ReasonCode.ACCOUNT_BLOCKED: "The account is blocked",
    ReasonCode.VOIDED_BEFORE_ARRIVAL: "Voided before it arrived",
}


# Looked up once: on Python 3.11 a member of an enum costs as much to name as a decision's hash.
_PERMIT, _REJECT, _SUFFICIENT = Status.PERMIT, Status.REJECT, ReasonCode.SUFFICIENT_CREDIT


class AuthorizationRequest(NamedTuple):
    """May this user spend this much? Valid in form; `request_hash` tells two questions apart.

    `authorization_id` is the one the decision gets if this question is the first of its id.
    """

    program: str
    transaction_id: str
    user_id: str
    amount_minor: int
    currency: str
    request_hash: bytes
    authorization_id: str
    is_capture: bool = True
    callback_url: str | None = None
    is_test: bool = False
    details: str | None = None
    key_id: str | None = None
    request_id: str | None = None
    is_dry_run: bool = False

    @property
    def account_key(self) -> AccountKey:
        """The account it would be taken from."""
        return (self.program, self.user_id, self.currency)

    @property
    def id_key(self) -> IdKey:
        """What is decided once for ever."""
        return (self.program, self.transaction_id)


class ResponseKind(StrEnum):
    """`mismatched`: the id was decided for another question. `undecided`: nothing was committed."""

    DECIDED = "decided"
    REPLAYED = "replayed"
    MISMATCHED = "mismatched"
    UNDECIDED = "undecided"


class AuthorizationResponse(NamedTuple):
    """What becomes of one question; `body` holds the very bytes to send."""

    kind: ResponseKind
    body: bytes = b""


_DECIDED: Final = ResponseKind.DECIDED
MISMATCHED: Final = AuthorizationResponse(ResponseKind.MISMATCHED)
UNDECIDED: Final = AuthorizationResponse(ResponseKind.UNDECIDED)


class StoreUnavailableError(RuntimeError):
    """Nothing could be committed in time, so nothing is known to be decided."""


@dataclass(slots=True)
class AccountState:
    """One account under its lock, changed as a batch is decided.

    What a rule needs to know of an account or its user is read by the statement that locks it
    and is kept here; what is used of its limits is read after the lock.
    """

    available_minor: int = 0
    held_minor: int = 0
    ledger_seq: int = 0
    exists: bool = True
    is_known_user: bool = True
    is_blocked: bool = False
    allowances: list[Allowance] = field(default_factory=list)


class StoredDecision(NamedTuple):
    """A decision that stands already."""

    request_hash: bytes
    response: bytes


@dataclass(slots=True)
class BatchState:
    """What the store holds about a batch's accounts and ids, under lock."""

    accounts: dict[AccountKey, AccountState] = field(default_factory=dict)
    stored: dict[IdKey, StoredDecision] = field(default_factory=dict)
    tombstones: set[IdKey] = field(default_factory=set)
    # Of accounts of the batch, and with user '' of their programs.
    limits: dict[AccountKey, list[SpendingLimit]] = field(default_factory=dict)
    # By program: a number that changes with whatever its decisions must not overtake.
    revisions: dict[str, int] = field(default_factory=dict)


class Decision(NamedTuple):
    """A new decision, to be written in the commit that its answer waits for."""

    request: AuthorizationRequest
    status: Status
    reason_code: ReasonCode
    remaining_minor: int
    ledger_seq: int
    response: bytes

    @property
    def is_permit(self) -> bool:
        """Whether money moves."""
        return self.status is _PERMIT


def decide_batch(
    requests: Sequence[AuthorizationRequest], state: BatchState, at: datetime
) -> tuple[list[AuthorizationResponse], list[Decision]]:
    """Answers in the order of the questions, and the decisions to write; `state` is used up.

    A later question sees what an earlier one took, and an id asked twice is decided once.
    """
    responses, decisions, decided_at = [], [], instant_text(at)
    for request in requests:
        id_key = request.id_key
        known = state.stored.get(id_key)
        if known is not None:
            responses.append(_replay(request, known))
            continue
        decision = _decide(request, state, decided_at)
        responses.append(AuthorizationResponse(_DECIDED, decision.response))
        if not request.is_dry_run:
            state.stored[id_key] = StoredDecision(request.request_hash, decision.response)
            decisions.append(decision)
    return responses, decisions


def check_spending(amount_minor: int, account: AccountState, raised_minor: int = 0) -> ReasonCode:
    """Permit when the available balance covers the amount within every limit; else say why not.

    Missing credit is said first: it is the answer that holds with and without limits.
    `raised_minor` is what the authorization holds already that an increment would raise.
    """
    if account.is_blocked:
        return ReasonCode.ACCOUNT_BLOCKED
    if not account.is_known_user:
        return ReasonCode.UNKNOWN_USER
    if not account.exists:
        return ReasonCode.CURRENCY_NOT_SUPPORTED
    if amount_minor > account.available_minor:
        return ReasonCode.INSUFFICIENT_CREDIT
    if account.allowances and not is_within_limits(amount_minor, account.allowances, raised_minor):
        return ReasonCode.VELOCITY_LIMIT
    return _SUFFICIENT


def status_of(reason_code: ReasonCode) -> Status:
    """Only sufficient credit permits."""
    return _PERMIT if reason_code is _SUFFICIENT else _REJECT


def _replay(request: AuthorizationRequest, known: StoredDecision) -> AuthorizationResponse:
    if known.request_hash != request.request_hash:
        return MISMATCHED
    # A commit whose answer was lost is found again on retry: that decision is this question's own.
    is_own = request.authorization_id.encode() in known.response
    return AuthorizationResponse(
        ResponseKind.DECIDED if is_own else ResponseKind.REPLAYED, known.response
    )


def _decide(request: AuthorizationRequest, state: BatchState, decided_at: str) -> Decision:
    account = state.accounts[request.account_key]
    if state.tombstones and request.id_key in state.tombstones:
        reason = ReasonCode.VOIDED_BEFORE_ARRIVAL
    else:
        reason = check_spending(request.amount_minor, account)
    status = status_of(reason)
    remaining, seq = account.available_minor, account.ledger_seq
    if status is _PERMIT:
        remaining, seq = remaining - request.amount_minor, seq + 1
        if not request.is_dry_run:
            _debit(request, account)
    response = response_bytes(
        request, reason, remaining_minor=remaining, ledger_seq=seq, decided_at=decided_at
    )
    return Decision(request, status, reason, remaining, seq, response)


_OUTCOME_JSON: Final = {
    reason: f',"status":"{status_of(reason)}","reason_code":"{reason}","reason":"{text}"'
    for reason, text in REASON_TEXTS.items()
}


def _debit(request: AuthorizationRequest, account: AccountState) -> None:
    account.available_minor -= request.amount_minor
    account.ledger_seq += 1
    if account.allowances:
        count_permitted(request.amount_minor, account.allowances)
    if not request.is_capture:
        account.held_minor += request.amount_minor


def response_bytes(
    request: AuthorizationRequest,
    reason_code: ReasonCode,
    *,
    remaining_minor: int,
    ledger_seq: int,
    decided_at: str,
) -> bytes:
    """The answer as it is sent, stored and replayed. Ids need no escapes by their form."""
    currency = request.currency
    return (
        f'{{"transaction_id":"{request.transaction_id}"'
        f',"authorization_id":"{request.authorization_id}"{_OUTCOME_JSON[reason_code]}'
        f',"amount":{format_amount(request.amount_minor, currency)},"currency":"{currency}"'
        f',"remaining_credit":{format_amount(remaining_minor, currency)}'
        f',"decided_at":"{decided_at}","as_of":{{"ledger_seq":{ledger_seq}}}}}'
    ).encode()


def instant_text(at: datetime) -> str:
    """ISO 8601 in UTC, microseconds, `Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
