"""Purchases of users in the ledger and the lake, and disputes of them, told step by step."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from itertools import count
from typing import Any

from cardops.adapters.postgresql.provisional.ledger import PostgresProvisionalLedger
from cardops.adapters.postgresql.provisional.policies import PostgresProvisionalPolicies
from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.ports import Lake
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.provisional.policies import PolicyName, ProvisionalPolicy, completed
from cardops.rules.provisional.postings import DuePosting
from cardops.rules.provisional.records import NoticeKind, PostingKind
from cardops.services.provisional.crediting import Position, PostedStep, ProvisionalCredits
from cardops.services.provisional.deciding import ProvisionalDecisions
from tests.factories.lake_tables import rows_of
from tests.fakes.lake import FakeLake

BOUGHT_ON = date(2026, 9, 1)
DISPUTED_ON = date(2026, 9, 8)

_DEPOSIT = """
insert into deposit_events (
    program, deposit_id, user_id, currency, amount_minor, occurred_at, intake_id, row_number,
    content_hash, ledger_seq, posted_at
)
select %(program)s, %(user)s, %(user)s, 'USD', %(amount)s, now(), 1, 1, '', 1, now()
"""
_OPEN = """
insert into accounts (program, user_id, currency, available_minor, ledger_seq)
values (%(program)s, %(user)s, 'USD', %(amount)s, 1)
"""
_SPEND = """
insert into decisions (
    program, transaction_id, authorization_id, question_hash, user_id, currency, amount_minor,
    is_capture, status, reason_code, remaining_minor, ledger_seq, answer, decided_at
)
select program, %(transaction_id)s, 'auth', '', user_id, currency, %(amount)s, true, 'PERMIT',
    'sufficient_credit', available_minor - %(amount)s, ledger_seq + 1, '{}', now()
from accounts where program = %(program)s and user_id = %(user)s
"""
_DEBIT = """
update accounts set available_minor = available_minor - %(amount)s, ledger_seq = ledger_seq + 1
where program = %(program)s and user_id = %(user)s
"""
_REFUND = """
insert into movements (
    program, transaction_id, kind, movement_key, user_id, currency, status, reason_code,
    amount_minor, posted_minor, held_change_minor, ledger_seq, answer, posted_at
)
select program, %(transaction_id)s, 'refund', 'r-' || ledger_seq, user_id, currency, 'PERMIT',
    'refund', %(amount)s, %(amount)s, 0, ledger_seq + 1, '{}', now()
from accounts where program = %(program)s and user_id = %(user)s
"""


_HOLD = """
insert into decisions (
    program, transaction_id, authorization_id, question_hash, user_id, currency, amount_minor,
    is_capture, status, reason_code, remaining_minor, ledger_seq, answer, decided_at
)
select program, %(transaction_id)s, 'auth', '', user_id, currency, %(amount)s, false, 'PERMIT',
    'sufficient_credit', available_minor - %(amount)s, ledger_seq + 1, '{}', now()
from accounts where program = %(program)s and user_id = %(user)s
"""
_CAPTURE = """
insert into movements (
    program, transaction_id, kind, movement_key, user_id, currency, status, reason_code,
    amount_minor, posted_minor, held_change_minor, ledger_seq, answer, posted_at
)
select program, %(transaction_id)s, 'capture', '', user_id, currency, 'PERMIT', 'captured',
    %(amount)s, -%(amount)s, 0, ledger_seq + 1, '{}', now()
from accounts where program = %(program)s and user_id = %(user)s
"""


@dataclass
class DisputeDesk:
    """One program of a database, with a lake in memory."""

    url: str
    program: str = "default"
    lake: Lake = field(default_factory=FakeLake)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.policies = PostgresProvisionalPolicies(self.url)
        self.ledger = PostgresProvisionalLedger(self.url)
        self.service = ProvisionalCredits(self.policies, self.ledger, self.lake)
        self.decisions = ProvisionalDecisions(self.service)
        add = "insert into programs (program, currency) values (%s, 'USD') on conflict do nothing"
        self._execute(add, self.program)

    def has_policy(
        self, name: str = "regulation_e", since_on: date = date(2026, 1, 1), **more: int
    ) -> None:
        policy = ProvisionalPolicy(self.program, PolicyName(name), since_on, "ana", **more)
        self.policies.set(completed(policy))

    def has_deposit(self, user: str, amount: int, on: date = date(2026, 1, 5)) -> None:
        """In the ledger and in the lake, where it says how old the account is."""
        values = {"program": self.program, "user": user, "amount": amount}
        for statement in (_DEPOSIT, _OPEN):
            self._execute(statement, values)
        self._put("deposits", user_id=user, amount_minor=amount, occurred_at=_noon(on))

    def buys(
        self,
        user: str,
        transaction_id: str,
        amount: int,
        *,
        on: date = BOUGHT_ON,
        status: str = "completed",
        is_authorized_here: bool = True,
        **more: object,
    ) -> None:
        if is_authorized_here:
            self.spends(user, transaction_id, amount)
        self.reports(transaction_id, amount, user_id=user, status=status, on=on, **more)

    def spends(self, user: str, transaction_id: str, amount: int) -> None:
        self._move(_SPEND, user, transaction_id, amount)
        values = {"program": self.program, "user": user, "amount": amount}
        self._execute(_DEBIT, values)

    def holds(self, user: str, transaction_id: str, amount: int, *, captured: int) -> None:
        """A hold that was raised, and captured for more than was asked first."""
        self._move(_HOLD, user, transaction_id, amount)
        self._move(_CAPTURE, user, transaction_id, captured)
        values = {"program": self.program, "user": user, "amount": captured}
        self._execute(_DEBIT, values)

    def is_refunded(self, user: str, transaction_id: str, amount: int) -> None:
        self._move(_REFUND, user, transaction_id, amount)
        self._execute(_DEBIT, {"program": self.program, "user": user, "amount": -amount})

    def blocks(self, user: str) -> None:
        block = "insert into users (program, user_id, is_blocked) values (%s, %s, true)"
        self._execute(block, self.program, user)

    def reports(
        self, transaction_id: str, amount: int, *, on: date = BOUGHT_ON, **more: object
    ) -> None:
        """A version of the transaction, as its processor reports it."""
        row = {"transaction_id": transaction_id, "amount_minor": amount, "created_at": _noon(on)}
        self._put("transactions", **row, **more)

    def orders(self, user: str, order_id: str) -> None:
        self._put("orders", order_id=order_id, user_id=user)

    def told(  # noqa: PLR0913 - each has a default
        self,
        case: str,
        transaction_id: str,
        amount: int,
        *,
        on: date = DISPUTED_ON,
        status: str = "open",
        network: str = "visa",
        category: str = "consumer_dispute",
        **more: object,
    ) -> None:
        """One step of a dispute."""
        self._put(
            "chargebacks",
            case_number=case,
            transaction_id=transaction_id,
            dispute_amount_minor=amount,
            dispute_date=on,
            activity_date=_noon(on),
            status=status,
            network=network,
            reason_category=category,
            **more,
        )

    def notices(self, case: str, kind: NoticeKind, sent_on: date) -> None:
        self.ledger.record_notice(self.key(case), kind, sent_on, "ana")

    def post(self, on: date) -> list[PostedStep]:
        return list(self.service.post_due(on, self.program))

    def position(self, case: str) -> Position:
        (found,) = (
            position
            for position in self.service.positions(self.program)
            if position.dispute.key == self.key(case)
        )
        return found

    def key(self, case: str, network: str = "visa") -> DisputeKey:
        return DisputeKey(self.program, network, case)

    def postings(self) -> list[tuple[str, str, int]]:
        """Case, kind and amount of everything that was posted, in order."""
        read = (
            "select case_number, kind, amount_minor from provisional_postings"
            " where program = %s order by posted_at, step"
        )
        return [(case, kind, amount) for case, kind, amount in self._rows(read, self.program)]

    def available(self, user: str) -> int:
        read = "select available_minor from accounts where program = %s and user_id = %s"
        return int(self._rows(read, self.program, user)[0][0])

    def _move(self, statement: str, user: str, transaction_id: str, amount: int) -> None:
        values = {
            "program": self.program,
            "user": user,
            "transaction_id": transaction_id,
            "amount": amount,
        }
        self._execute(statement, values)

    def _put(self, table: str, **row: object) -> None:
        number = next(self.numbers)
        frame = rows_of(table, {"program": self.program, "intake_id": number, **row})
        self.lake.write(table, BOUGHT_ON, f"{self.program}-{number}", frame)

    def _execute(self, statement: str, *values: object) -> None:
        arguments: Any = values[0] if values and isinstance(values[0], dict) else values
        run_in_transaction(self.url, lambda session: session.execute(statement.encode(), arguments))

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return run_in_transaction(
            self.url, lambda session: session.execute(statement.encode(), values).fetchall()
        )


def a_posting(  # noqa: PLR0913 - each has a default
    desk: DisputeDesk,
    kind: PostingKind = PostingKind.CREDIT,
    *,
    case: str = "c-1",
    amount: int = 1_000,
    purchase: int = 1_000,
    transaction_id: str = "t-1",
    user: str = "ana",
) -> DuePosting:
    """A posting that the ledger is asked for directly."""
    return DuePosting(
        desk.key(case), kind, transaction_id, user, "USD", amount, purchase, "regulation_e",
        DISPUTED_ON,
    )  # fmt: skip


def _noon(on: date) -> datetime:
    return datetime.combine(on, time(12), UTC)
