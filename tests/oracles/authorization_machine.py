"""A state machine that runs each drawn step on PostgreSQL and on the model, and compares them.

Belongs here: decisions, actions, deposits and blocks. Limits are in limited_machine.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from typing_extensions import override

from cardops.adapters.postgresql.accounts.deposits import PostgresDepositLedger
from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.authorizations.expired_holds import PostgresExpiredHolds
from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.adapters.postgresql.sessions import open_pool
from cardops.rules.authorizations.actions import ActionKind, AuthorizationAction
from tests.factories.authorization_stores import expire_all
from tests.factories.authorizations import a_request
from tests.factories.database_clock import DatabaseClock
from tests.factories.databases import empty_books
from tests.factories.intake import Deposit, an_intake_file, staged
from tests.oracles.authorization_model import AuthorizationModel
from tests.oracles.ledger_totals import assert_books_add_up, rows
from tests.oracles.recording import text
from tests.oracles.responses import action_in, decision_in, view_in

T = TypeVar("T")

# Weighted: evenly drawn values would mostly name unknown users, and nothing would be permitted.
PROGRAMS = st.sampled_from(["default"] * 5 + ["other"])
USERS = st.sampled_from(["user_1"] * 6 + ["user_2"] * 3 + ["nobody"])
CURRENCIES = st.sampled_from(["USD"] * 7 + ["EUR"])
IDS = st.sampled_from([f"t{number}" for number in range(24)])
AMOUNTS = st.integers(1, 30)
ACTIONS = st.sampled_from(["increment"] * 5 + ["refund"] * 2 + ["capture", "void"])
FIRST_DEPOSITS = (
    ("default", "user_1", "USD", 40),
    ("default", "user_1", "EUR", 5),
    ("default", "user_2", "USD", 20),
    ("other", "user_1", "USD", 20),
)
# One tick before and at the end of a window; past a hold's expiry; a clock that is set back. Mostly
# short, or no hold would still be open.
PASSES = st.sampled_from(
    [
        timedelta(microseconds=1),
        timedelta(seconds=1),
        timedelta(seconds=60) - timedelta(microseconds=1),
        timedelta(seconds=60),
        timedelta(seconds=-60),
        timedelta(hours=5),
        timedelta(hours=12),
        timedelta(hours=-6),
        timedelta(days=3),
        timedelta(days=31) - timedelta(microseconds=1),
    ]
)


class Machine(RuleBasedStateMachine):
    """Compares the real adapters with the model."""

    url: ClassVar[str]
    steps: ClassVar[int] = 0
    # How often each reason occurred, so that a long run can assert that all did.
    reasons: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.session = connect(self.url)
        empty_books(self.session)
        self.model, self.clock = AuthorizationModel(), DatabaseClock(self.url)
        self.runner = asyncio.Runner()
        self.pool = self.run(open_pool(self.clock.url, max_size=2))
        self.authorizations = PostgresAuthorizations(self.pool)
        self.expired_holds = PostgresExpiredHolds(self.pool)
        self.deposits, self.programs = PostgresDepositLedger(self.url), PostgresPrograms(self.url)
        self.files: dict[int, tuple[str, str]] = {}
        self.bodies: dict[object, bytes] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @override
    def teardown(self) -> None:
        self.run(self.pool.close())
        self.runner.close()
        self.clock.close()
        self.session.close()

    @initialize(is_empty=st.sampled_from([False] * 9 + [True]))
    def begin(self, is_empty: bool) -> None:  # noqa: FBT001 - drawn
        """Most runs begin with funds."""
        for number, (program, user, currency, amount) in enumerate(FIRST_DEPOSITS, start=90):
            if not is_empty:
                self.deposit(program, number, user, currency, amount)

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
            del self.files[intake_id]  # credited by another file: nothing to recall in this one
        self.model.deposit(program, f"d{number}", user, currency, amount * 5)

    @rule(drawn=st.integers(0, 99))
    def recall(self, drawn: int) -> None:
        if self.files and drawn < 40:
            intake_id = sorted(self.files)[drawn % len(self.files)]
            program, deposit_id = self.files[intake_id]
            self.deposits.recall(an_intake_file(intake_id, program=program), "operator")
            self.model.recall(program, deposit_id)

    @rule(program=PROGRAMS, user=USERS, is_blocked=st.sampled_from([False, False, True]))
    def block(self, program: str, user: str, is_blocked: bool) -> None:  # noqa: FBT001 - drawn
        self.programs.set_blocked(program, user, is_blocked=is_blocked)
        (self.model.blocked.add if is_blocked else self.model.blocked.discard)((program, user))

    @rule(
        program=PROGRAMS,
        drawn=st.lists(
            st.tuples(IDS, USERS, CURRENCIES, AMOUNTS, st.booleans(), st.integers(0, 9)),
            min_size=1,
            max_size=6,
        ),
    )
    def authorize(self, program: str, drawn: list[tuple[str, str, str, int, bool, int]]) -> None:
        """One batch of one to six requests, among them repeated ids."""
        self.compare(program, drawn)

    def compare(self, program: str, drawn: list[tuple[str, str, str, int, bool, int]]) -> None:
        requests = [
            a_request(
                name, amount_minor=amount, user_id=user, currency=currency, program=program,
                is_capture=capture, is_dry_run=dry == 0,
            )
            for name, user, currency, amount, capture, dry in drawn
        ]  # fmt: skip
        responses = self.run(self.authorizations.decide(requests))
        for response, (name, user, currency, amount, capture, dry) in zip(
            responses, drawn, strict=True
        ):
            expected = self.model.authorize(
                program, name, user, currency, amount,
                capture=capture, dry_run=dry == 0, at=self.clock.now(),
            )  # fmt: skip
            assert decision_in(response) == expected
            self.reasons[expected.get("reason", "")] += 1
            if dry and response.body:
                assert self.bodies.setdefault((program, name), response.body) == response.body

    @rule(data=st.data(), program=PROGRAMS, amount=AMOUNTS)
    def ask_again(self, data: st.DataObject, program: str, amount: int) -> None:
        """The same request again, or its id with another amount."""
        decided = sorted(name for owner, name in self.model.spendings if owner == program)
        if not decided:
            return
        name = data.draw(st.sampled_from(decided))
        user, currency, first, captured = self.model.spendings[program, name].request
        repeated = first if amount < 20 else amount
        self.compare(program, [(name, user, currency, repeated, captured, 1)])

    @rule(
        program=PROGRAMS,
        name=IDS,
        kind=st.sampled_from(["capture", "capture", "void", "increment", "refund"]),
        amount=AMOUNTS,
        is_whole=st.booleans(),
        key=st.sampled_from(["k1", "k2"]),
    )
    def action(
        self,
        program: str,
        name: str,
        kind: str,
        amount: int,
        is_whole: bool,  # noqa: FBT001 - drawn
        key: str,
    ) -> None:
        self.compare_action(program, name, kind, amount, key, is_whole=is_whole)

    def compare_action(
        self, program: str, name: str, kind: str, amount: int, key: str, *, is_whole: bool
    ) -> None:
        self.compare_actions([(program, name, kind, amount, is_whole, key)])

    def compare_actions(self, drawn: list[tuple[str, str, str, int, bool, str]]) -> None:
        """One batch of actions, which must be answered as if they came one by one."""
        steps = []
        for program, name, kind, amount, is_whole, key in drawn:
            requested = None if kind == "void" or (kind == "capture" and is_whole) else amount
            used_key = key if kind in {"increment", "refund"} else ""
            steps.append((program, name, kind, requested, used_key))
        responses = self.run(
            self.authorizations.apply(
                [
                    AuthorizationAction(
                        ActionKind(kind), program, name,
                        None if requested is None else text(requested), key,
                    )
                    for program, name, kind, requested, key in steps
                ]
            )
        )  # fmt: skip
        for response, (program, name, kind, requested, key) in zip(responses, steps, strict=True):
            expected = self.model.apply(program, name, kind, requested, key, self.clock.now())
            assert action_in(response) == expected
            self.reasons[f"increment {expected.get('increment', '')}"] += 1
            if response.body:
                body = self.bodies.setdefault((program, name, kind, key), response.body)
                assert body == response.body

    @rule(
        data=st.data(),
        actions=st.lists(
            st.tuples(ACTIONS, AMOUNTS, st.booleans(), st.sampled_from(["k1", "k2", "k3"])),
            min_size=2,
            max_size=6,
        ),
    )
    def act_on_matching_state(
        self, data: st.DataObject, actions: list[tuple[str, int, bool, str]]
    ) -> None:
        """Actions on authorizations in the right state, which few randomly drawn ids are."""
        for kind, amount, is_whole, key in actions:
            state = "captured" if kind == "refund" else "held"
            spendings = self.model.spendings.items()
            candidates = sorted(key for key, spending in spendings if spending.state == state)
            if candidates:
                program, name = data.draw(st.sampled_from(candidates))
                self.compare_action(program, name, kind, amount, key, is_whole=is_whole)

    @rule(
        data=st.data(),
        actions=st.lists(
            st.tuples(
                st.sampled_from(["increment"] * 3 + ["refund"] * 2 + ["capture", "void"]),
                AMOUNTS,
                st.booleans(),
                st.sampled_from(["k1", "k2", "k3"]),
            ),
            min_size=2,
            max_size=8,
        ),
    )
    def act_in_batch(self, data: st.DataObject, actions: list[tuple[str, int, bool, str]]) -> None:
        """Several actions in one commit, often on one authorization or one account."""
        known = sorted(self.model.spendings) or [("default", "t0")]
        few = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=3))
        self.compare_actions(
            [
                (*data.draw(st.sampled_from([*few, ("default", "t1")])), kind, amount, whole, key)
                for kind, amount, whole, key in actions
            ]
        )

    @rule(
        program=PROGRAMS,
        request=st.tuples(IDS, USERS, CURRENCIES, AMOUNTS),
        drawn=st.integers(0, 3),
    )
    def void_before(self, program: str, request: tuple[str, str, str, int], drawn: int) -> None:
        """A void that arrives before its request, which random draws seldom produce."""
        if drawn == 0 and (program, request[0]) not in self.model.spendings:
            self.compare_action(program, request[0], "void", 1, "", is_whole=True)
            self.compare(program, [(*request, True, 1)])

    @rule(by=PASSES)
    def time_passes(self, by: timedelta) -> None:
        self.clock.at += by

    @rule()
    def sweep(self) -> None:
        expired = self.run(expire_all(self.authorizations, self.expired_holds))
        assert expired == self.model.expire(self.clock.now())

    @rule(program=PROGRAMS, name=IDS)
    def find(self, program: str, name: str) -> None:
        view = self.run(self.authorizations.find(program, name))
        expected = self.model.view(program, name, self.clock.now())
        assert (view and view_in(json.loads(view.body()))) == expected

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
        assert negative <= self.model.recalled_accounts, "negative without a recall"
