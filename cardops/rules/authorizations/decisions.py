"""Authorization decisions: values in, values out.

Belongs here: requests, responses, and the rule that permits or rejects, for one request and for a
batch. Actions on an authorization afterwards are in cardops.rules.authorizations.actions.
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
    """The two outcomes of a decision."""

    PERMIT = "PERMIT"
    REJECT = "REJECT"


class ReasonCode(StrEnum):
    """Why a request was permitted or rejected: the closed set of the HTTP API's `reason_code`."""

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


# Looked up once: on Python 3.11 an access to an enum member costs as much as hashing a request.
_PERMIT, _REJECT, _SUFFICIENT = Status.PERMIT, Status.REJECT, ReasonCode.SUFFICIENT_CREDIT


class AuthorizationRequest(NamedTuple):
    """May this user spend this amount? The form is already validated.

    Two requests with one transaction id are the same if and only if their `request_hash` is equal.
    `authorization_id` is the id of the decision if this request is the first with its id.
    `details` is a JSON text.
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
        """The account that would be debited."""
        return (self.program, self.user_id, self.currency)

    @property
    def id_key(self) -> IdKey:
        """The key under which exactly one decision is ever made."""
        return (self.program, self.transaction_id)


class ResponseKind(StrEnum):
    """`mismatched`: the id belongs to a different request. `undecided`: nothing was committed.

    `locked`: nothing was committed, because another session has the account locked.
    """

    DECIDED = "decided"
    REPLAYED = "replayed"
    MISMATCHED = "mismatched"
    LOCKED = "locked"
    UNDECIDED = "undecided"


class AuthorizationResponse(NamedTuple):
    """The outcome of one request; `body` holds the exact bytes to send."""

    kind: ResponseKind
    body: bytes = b""


_DECIDED: Final = ResponseKind.DECIDED
MISMATCHED: Final = AuthorizationResponse(ResponseKind.MISMATCHED)
LOCKED: Final = AuthorizationResponse(ResponseKind.LOCKED)
UNDECIDED: Final = AuthorizationResponse(ResponseKind.UNDECIDED)


class StoreUnavailableError(RuntimeError):
    """The store committed nothing in time, so no decision is known."""


class ReadTimeoutError(StoreUnavailableError):
    """A read took longer than it may; decisions are not affected."""


@dataclass(slots=True)
class AccountState:
    """One account as a batch read it, updated while the batch is decided.

    Everything a rule needs of the account and its user comes from the statement that reads (and
    where needed locks) it; usage of spending limits is read afterwards. Amounts in minor units.
    """

    available_minor: int = 0
    held_minor: int = 0
    ledger_seq: int = 0
    exists: bool = True
    is_known_user: bool = True
    is_blocked: bool = False
    # Rises with every block and changed limit of the user; the write compares it.
    revision: int = 0
    allowances: list[Allowance] = field(default_factory=list)


class StoredDecision(NamedTuple):
    """A decision that is already committed."""

    request_hash: bytes
    response: bytes


@dataclass(slots=True)
class BatchState:
    """What the store holds about the accounts, ids and programs of a batch."""

    accounts: dict[AccountKey, AccountState] = field(default_factory=dict)
    stored: dict[IdKey, StoredDecision] = field(default_factory=dict)
    tombstones: set[IdKey] = field(default_factory=set)
    # Limits of the batch's accounts, and under user '' those of their programs.
    limits: dict[AccountKey, list[SpendingLimit]] = field(default_factory=dict)
    # By program: rises with every change of the program's limits; the write compares it.
    revisions: dict[str, int] = field(default_factory=dict)
    # The database's instant of the read, which is that of the decisions.
    read_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)


class Decision(NamedTuple):
    """A new decision; its response is sent once the commit that writes it succeeded."""

    request: AuthorizationRequest
    status: Status
    reason_code: ReasonCode
    remaining_minor: int
    ledger_seq: int
    response: bytes


def decide_batch(
    requests: Sequence[AuthorizationRequest], state: BatchState, at: datetime
) -> tuple[list[AuthorizationResponse], list[Decision]]:
    """Responses in the order of the requests, and the decisions to write; `state` is modified.

    A later request sees the debits of an earlier one, and a repeated id is decided once.
    """
    responses, decisions, decided_at = [], [], instant_text(at)
    for request in requests:
        id_key = request.id_key
        stored = state.stored.get(id_key)
        if stored is not None:
            responses.append(_replay(request, stored))
            continue
        decision = _decide(request, state, decided_at)
        responses.append(AuthorizationResponse(_DECIDED, decision.response))
        if not request.is_dry_run:
            state.stored[id_key] = StoredDecision(request.request_hash, decision.response)
            decisions.append(decision)
    return responses, decisions


def check_spending(amount_minor: int, account: AccountState, raised_minor: int = 0) -> ReasonCode:
    """Permit when the available balance covers the amount within every limit; else the reason.

    Insufficient credit comes before a limit, so that setting a limit never changes that reason.
    `raised_minor` is the amount already held by the authorization that an increment would raise.
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


def _replay(request: AuthorizationRequest, stored: StoredDecision) -> AuthorizationResponse:
    if stored.request_hash != request.request_hash:  # guard: request-hash
        return MISMATCHED
    # A retry after a lost COMMIT reply finds its own decision: that is not a replay.
    is_own = request.authorization_id.encode() in stored.response
    return AuthorizationResponse(
        ResponseKind.DECIDED if is_own else ResponseKind.REPLAYED, stored.response
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


def is_rejected_by_void(response: bytes) -> bool:
    """Whether a stored response is the rejection of an id that had been voided before."""
    return _OUTCOME_JSON[ReasonCode.VOIDED_BEFORE_ARRIVAL].encode() in response


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
    """The response as it is sent, stored and replayed. Validated ids need no JSON escapes."""
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
