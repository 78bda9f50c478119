"""Whatever is asked in whatever order, PostgreSQL answers as the plain model does, step by step."""

import asyncio
import json
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from typing_extensions import override

from cardops.adapters.postgresql.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.deposits import PostgresDepositLedger
from cardops.adapters.postgresql.programs import PostgresPrograms
from cardops.adapters.postgresql.sessions import open_pool
from cardops.rules.authorization import Answer
from cardops.rules.moves import Move, MoveAnswer, MoveKind
from tests.builders.authorization_model import AuthorizationModel
from tests.builders.authorizations import a_question
from tests.builders.books_add_up import assert_books_add_up, rows
from tests.builders.intake import Deposit, an_intake_file, staged
from tests.builders.recording import text
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.database
T = TypeVar("T")

PROGRAMS = st.sampled_from(["default", "default", "other"])
USERS = st.sampled_from(["user_1", "user_1", "user_2", "nobody"])
CURRENCIES = st.sampled_from(["USD", "USD", "USD", "EUR"])
IDS = st.sampled_from([f"t{number}" for number in range(12)])
AMOUNTS = st.integers(1, 30)
TABLES = (
    "accounts",
    "users",
    "deposit_events",
    "deposit_recalls",
    "deposit_stagings",
    "decisions",
    "holds",
    "movements",
    "callbacks",
)


class Machine(RuleBasedStateMachine):
    """The real adapters on one side, dicts on the other."""

    url: ClassVar[str]
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.session = connect(self.url)
        for table in TABLES:
            self.session.execute(f"delete from {table}".encode())  # noqa: S608 - our own names
        self.model, self.clock = AuthorizationModel(), FakeClock()
        self.runner = asyncio.Runner()
        self.pool = self.run(open_pool(self.url, max_size=2))
        self.authorizations = PostgresAuthorizations(self.pool, now=self.clock.now)
        self.deposits, self.programs = PostgresDepositLedger(self.url), PostgresPrograms(self.url)
        self.files: dict[int, tuple[str, str]] = {}
        self.bodies: dict[object, bytes] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @override
    def teardown(self) -> None:
        self.run(self.pool.close())
        self.runner.close()
        self.session.close()

    @rule(
        program=PROGRAMS, number=st.integers(0, 9), user=USERS, currency=CURRENCIES, amount=AMOUNTS
    )
    def deposit(self, program: str, number: int, user: str, currency: str, amount: int) -> None:
        if user == "nobody":
            return
        intake_id = len(self.files) + 1
        self.files[intake_id] = (program, f"d{number}")
        row = Deposit(f"d{number}", user_id=user, amount_minor=amount * 5, currency=currency)
        file = an_intake_file(intake_id, program=program)
        self.deposits.credit(file, [staged([row])])
        self.deposits.forget_staged(file)
        if (program, f"d{number}") in self.model.deposits:
            del self.files[intake_id]  # another file's: nothing of this one to recall
        self.model.deposit(program, f"d{number}", user, currency, amount * 5)

    @rule(drawn=st.integers(0, 99))
    def recall(self, drawn: int) -> None:
        if self.files and drawn < 40:
            intake_id = sorted(self.files)[drawn % len(self.files)]
            program, deposit_id = self.files[intake_id]
            self.deposits.recall(an_intake_file(intake_id, program=program), "operator")
            self.model.recall(program, deposit_id)

    @rule(program=PROGRAMS, user=USERS, is_blocked=st.sampled_from([True, False, False]))
    def block(self, program: str, user: str, is_blocked: bool) -> None:  # noqa: FBT001 - drawn
        self.programs.set_blocked(program, user, is_blocked=is_blocked)
        (self.model.blocked.add if is_blocked else self.model.blocked.discard)((program, user))

    @rule(
        program=PROGRAMS,
        asked=st.lists(
            st.tuples(IDS, USERS, CURRENCIES, AMOUNTS, st.booleans(), st.integers(0, 9)),
            min_size=1,
            max_size=4,
        ),
    )
    def authorize(self, program: str, asked: list[tuple[str, str, str, int, bool, int]]) -> None:
        """One batch of one to four, among them repeats of an id within the batch."""
        self.compare(program, asked)

    def compare(self, program: str, asked: list[tuple[str, str, str, int, bool, int]]) -> None:
        questions = [
            a_question(
                name, amount_minor=amount, user_id=user, currency=currency, program=program,
                is_capture=capture, is_dry_run=dry == 0,
            )
            for name, user, currency, amount, capture, dry in asked
        ]  # fmt: skip
        answers = self.run(self.authorizations.decide(questions))
        for answer, (name, user, currency, amount, capture, dry) in zip(
            answers, asked, strict=True
        ):
            expected = self.model.authorize(
                program, name, user, currency, amount,
                capture=capture, dry_run=dry == 0, at=self.clock.now(),
            )  # fmt: skip
            assert told(answer) == expected
            if dry and answer.body:
                assert self.bodies.setdefault((program, name), answer.body) == answer.body

    @rule(data=st.data(), program=PROGRAMS, amount=AMOUNTS)
    def ask_again(self, data: st.DataObject, program: str, amount: int) -> None:
        """The very same question, or the same id with another amount."""
        known = sorted(name for owner, name in self.model.spendings if owner == program)
        if not known:
            return
        name = data.draw(st.sampled_from(known))
        user, currency, first, captured = self.model.spendings[program, name].question
        wished = first if amount < 20 else amount
        self.compare(program, [(name, user, currency, wished, captured, 1)])

    @rule(
        program=PROGRAMS,
        name=IDS,
        kind=st.sampled_from(["capture", "capture", "void", "increment", "refund"]),
        amount=AMOUNTS,
        is_whole=st.booleans(),
        key=st.sampled_from(["k1", "k2"]),
    )
    def move(
        self,
        program: str,
        name: str,
        kind: str,
        amount: int,
        is_whole: bool,  # noqa: FBT001 - drawn
        key: str,
    ) -> None:
        wished = None if kind == "void" or (kind == "capture" and is_whole) else amount
        key = key if kind in {"increment", "refund"} else ""
        sent = None if wished is None else text(wished)
        answer = self.run(self.authorizations.move(Move(MoveKind(kind), program, name, sent, key)))
        expected = self.model.move(program, name, kind, wished, key, self.clock.now())
        assert moved(answer) == expected
        if answer.body:
            assert self.bodies.setdefault((program, name, kind, key), answer.body) == answer.body

    @rule(days=st.integers(1, 4))
    def time_passes(self, days: int) -> None:
        self.clock.advance(days=days)

    @rule(seconds=st.sampled_from([0, 3600]))
    def sweep(self, seconds: int) -> None:
        at = self.clock.now() - timedelta(seconds=seconds)
        assert self.run(self.authorizations.expire_holds(at, 100)) == self.model.expire(at)

    @rule(program=PROGRAMS, name=IDS)
    def look(self, program: str, name: str) -> None:
        view = self.run(self.authorizations.find(program, name))
        expected = self.model.view(program, name, self.clock.now())
        assert (view and viewed(json.loads(view.body()))) == expected

    @invariant()
    def books_are_those_of_the_model(self) -> None:
        type(self).steps += 1
        stored = rows(
            self.session,
            "select program, user_id, currency, available_minor, held_minor from accounts",
        )
        assert {tuple(row[:3]): row[3:] for row in stored} == {
            account: (available, self.model.held.get(account, 0))
            for account, available in self.model.available.items()
        }
        assert_books_add_up(self.session, may_be_negative=True)
        negative = {row[:3] for row in stored if row[3] < 0}
        assert negative <= self.model.was_recalled, "negative without any recall"


def minor(amount: float) -> int:
    return round(amount * 100)


def told(answer: Answer) -> dict[str, Any]:
    if not answer.body:
        return {"kind": answer.kind.value}
    body = json.loads(answer.body)
    return {
        "kind": answer.kind.value,
        "status": body["status"],
        "reason": body["reason_code"],
        "remaining": minor(body["remaining_credit"]),
    }


def moved(answer: MoveAnswer) -> dict[str, Any]:
    if not answer.body:
        state = {} if answer.state is None else {"state": answer.state.value}
        return {"kind": answer.result.value, **state}
    body = json.loads(answer.body)
    extra = {"increment": body["increment"]["reason_code"]} if "increment" in body else {}
    return {"kind": answer.result.value, **viewed(body), **extra}


def viewed(body: dict[str, Any]) -> dict[str, Any]:
    held, captured = minor(body["held_amount"]), minor(body["captured_amount"])
    return {"state": body["state"], "held": held, "captured": captured}


@pytest.mark.parametrize(
    ("examples", "steps"),
    [
        (12, 30),
        pytest.param(150, 60, marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
    ],
)
def test_any_order_of_operations_is_answered_as_the_model_says(
    database_url: str, examples: int, steps: int
) -> None:
    with connect(database_url) as session:
        session.execute(
            "insert into programs (program, currency) values ('default', 'USD'), ('other', 'USD')"
            " on conflict do nothing"
        )
    Machine.url, Machine.steps = database_url, 0
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"{Machine.steps} steps")  # noqa: T201 - the figure of the proof
    assert Machine.steps >= examples * steps // 2
