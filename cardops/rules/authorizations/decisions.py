"""The decision on what a user wants to spend: values in, values out.

Belongs here: questions, answers, and the one rule that decides, for one and for a batch. What
may happen to an authorization afterwards is in cardops.rules.authorizations.actions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from cardops.rules.accounts.spending_limits import Allowance, SpendingLimit, is_within, use
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


class Question(NamedTuple):
    """May this user spend this much? Valid in form; `question_hash` tells two questions apart.

    `authorization_id` is the one the decision gets if this question is the first of its id.
    """

    program: str
    transaction_id: str
    user_id: str
    amount_minor: int
    currency: str
    question_hash: bytes
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


class AnswerKind(StrEnum):
    """`mismatched`: the id was decided for another question. `undecided`: nothing was committed."""

    DECIDED = "decided"
    REPLAYED = "replayed"
    MISMATCHED = "mismatched"
    UNDECIDED = "undecided"


class Answer(NamedTuple):
    """What becomes of one question; `body` holds the very bytes to send."""

    kind: AnswerKind
    body: bytes = b""


_DECIDED: Final = AnswerKind.DECIDED
MISMATCHED: Final = Answer(AnswerKind.MISMATCHED)
UNDECIDED: Final = Answer(AnswerKind.UNDECIDED)


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


class Known(NamedTuple):
    """A decision that stands already."""

    question_hash: bytes
    answer: bytes


@dataclass(slots=True)
class BatchState:
    """What the store holds about a batch's accounts and ids, under lock."""

    accounts: dict[AccountKey, AccountState] = field(default_factory=dict)
    known: dict[IdKey, Known] = field(default_factory=dict)
    tombstones: set[IdKey] = field(default_factory=set)
    # Of accounts of the batch, and with user '' of their programs.
    limits: dict[AccountKey, list[SpendingLimit]] = field(default_factory=dict)
    # By program: a number that changes with whatever its decisions must not overtake.
    revisions: dict[str, int] = field(default_factory=dict)


class Decision(NamedTuple):
    """A new decision, to be written in the commit that its answer waits for."""

    question: Question
    status: Status
    reason_code: ReasonCode
    remaining_minor: int
    ledger_seq: int
    answer: bytes

    @property
    def is_permit(self) -> bool:
        """Whether money moves."""
        return self.status is _PERMIT


def decide_batch(
    questions: Sequence[Question], state: BatchState, at: datetime
) -> tuple[list[Answer], list[Decision]]:
    """Answers in the order of the questions, and the decisions to write; `state` is used up.

    A later question sees what an earlier one took, and an id asked twice is decided once.
    """
    answers, decisions, decided_at = [], [], instant_text(at)
    for question in questions:
        id_key = question.id_key
        known = state.known.get(id_key)
        if known is not None:
            answers.append(_answer_again(question, known))
            continue
        decision = _decide(question, state, decided_at)
        answers.append(Answer(_DECIDED, decision.answer))
        if not question.is_dry_run:
            state.known[id_key] = Known(question.question_hash, decision.answer)
            decisions.append(decision)
    return answers, decisions


def judge(amount_minor: int, account: AccountState, raised_minor: int = 0) -> ReasonCode:
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
    if account.allowances and not is_within(amount_minor, account.allowances, raised_minor):
        return ReasonCode.VELOCITY_LIMIT
    return _SUFFICIENT


def status_of(reason_code: ReasonCode) -> Status:
    """Only sufficient credit permits."""
    return _PERMIT if reason_code is _SUFFICIENT else _REJECT


def _answer_again(question: Question, known: Known) -> Answer:
    if known.question_hash != question.question_hash:
        return MISMATCHED
    # A commit whose answer was lost is found again on retry: that decision is this question's own.
    is_own = question.authorization_id.encode() in known.answer
    return Answer(AnswerKind.DECIDED if is_own else AnswerKind.REPLAYED, known.answer)


def _decide(question: Question, state: BatchState, decided_at: str) -> Decision:
    account = state.accounts[question.account_key]
    if state.tombstones and question.id_key in state.tombstones:
        reason = ReasonCode.VOIDED_BEFORE_ARRIVAL
    else:
        reason = judge(question.amount_minor, account)
    status = status_of(reason)
    remaining, seq = account.available_minor, account.ledger_seq
    if status is _PERMIT:
        remaining, seq = remaining - question.amount_minor, seq + 1
        if not question.is_dry_run:
            _take(question, account)
    answer = answer_bytes(
        question, reason, remaining_minor=remaining, ledger_seq=seq, decided_at=decided_at
    )
    return Decision(question, status, reason, remaining, seq, answer)


_TOLD: Final = {
    reason: f',"status":"{status_of(reason)}","reason_code":"{reason}","reason":"{text}"'
    for reason, text in REASON_TEXTS.items()
}


def _take(question: Question, account: AccountState) -> None:
    account.available_minor -= question.amount_minor
    account.ledger_seq += 1
    if account.allowances:
        use(question.amount_minor, account.allowances)
    if not question.is_capture:
        account.held_minor += question.amount_minor


def answer_bytes(
    question: Question,
    reason_code: ReasonCode,
    *,
    remaining_minor: int,
    ledger_seq: int,
    decided_at: str,
) -> bytes:
    """The answer as it is sent, stored and replayed. Ids need no escapes by their form."""
    currency = question.currency
    return (
        f'{{"transaction_id":"{question.transaction_id}"'
        f',"authorization_id":"{question.authorization_id}"{_TOLD[reason_code]}'
        f',"amount":{format_amount(question.amount_minor, currency)},"currency":"{currency}"'
        f',"remaining_credit":{format_amount(remaining_minor, currency)}'
        f',"decided_at":"{decided_at}","as_of":{{"ledger_seq":{ledger_seq}}}}}'
    ).encode()


def instant_text(at: datetime) -> str:
    """ISO 8601 in UTC, microseconds, `Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
