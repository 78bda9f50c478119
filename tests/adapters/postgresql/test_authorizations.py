"""What holds of Authorizations, on the fake and on PostgreSQL."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

import asyncpg
import pytest
from typing_extensions import override

from cardops.adapters.postgresql.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.sessions import Pool, open_pool
from cardops.rules.authorization import Answer, AnswerKind, Question
from cardops.rules.ledger import Account
from cardops.rules.moves import Move, MoveAnswer, MoveKind, MoveResult
from tests.builders.authorizations import PROGRAM, USER, a_question
from tests.fakes.authorizations import FakeAuthorizations
from tests.fakes.clock import FakeClock


@dataclass
class FakeWorld:
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.authorizations = FakeAuthorizations(self.clock)
        self.credit, self.block = self.authorizations.credit, self.authorizations.block


@dataclass
class PostgresWorld:
    pool: Pool
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.authorizations = PostgresAuthorizations(self.pool, now=self.clock.now)

    async def credit(self, user_id: str, amount_minor: int, *, program: str = PROGRAM) -> None:
        await self.pool.execute(
            "insert into accounts (program, user_id, currency, available_minor, ledger_seq) "
            "values ($1, $2, 'USD', $3, 1) on conflict (program, user_id, currency) do update "
            "set available_minor = accounts.available_minor + excluded.available_minor, "
            "ledger_seq = accounts.ledger_seq + 1",
            program,
            user_id,
            amount_minor,
        )

    async def block(self, user_id: str, *, program: str = PROGRAM) -> None:
        await self.pool.execute(
            "insert into users (program, user_id, is_blocked) values ($1, $2, true)",
            program,
            user_id,
        )


World: TypeAlias = FakeWorld | PostgresWorld


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    opened = await open_pool(database_url)
    await opened.execute(
        "insert into programs (program, currency) values ('default', 'USD'), ('other', 'USD') "
        "on conflict do nothing"
    )
    yield opened
    opened.terminate()


@pytest.fixture(params=["fake", pytest.param("postgresql", marks=pytest.mark.database)])
async def world(request: pytest.FixtureRequest) -> World:
    if request.param == "fake":
        return FakeWorld()
    return PostgresWorld(await opened_pool(request))


async def opened_pool(request: pytest.FixtureRequest) -> Pool:
    url: str = request.getfixturevalue("database_url")
    opened = await open_pool(url)
    request.addfinalizer(opened.terminate)
    await opened.execute(
        "insert into programs (program, currency) values ('default', 'USD'), ('other', 'USD') "
        "on conflict do nothing"
    )
    return opened


def a_move(kind: str, amount: str | None = None, key: str = "", *, program: str = PROGRAM) -> Move:
    return Move(MoveKind(kind), program, "txn_1", amount, key)


async def ask(world: World, *args: Any, **fields: Any) -> dict[str, Any]:
    """One question's answer, decoded."""
    (answer,) = await world.authorizations.decide([a_question(*args, **fields)])
    assert answer.kind is AnswerKind.DECIDED
    decoded: dict[str, Any] = json.loads(answer.body)
    return decoded


async def account(world: World, program: str = PROGRAM) -> Account:
    (found,) = await world.authorizations.accounts(program, USER)
    return found


async def test_a_permit_takes_the_amount_and_a_reject_nothing(world: World) -> None:
    await world.credit(USER, 3000)

    permit = await ask(world, "a", amount_minor=2500)
    reject = await ask(world, "b", amount_minor=501)

    assert (permit["status"], permit["remaining_credit"]) == ("PERMIT", 5.0)
    assert (reject["reason_code"], reject["remaining_credit"]) == ("insufficient_credit", 5.0)
    assert permit["as_of"] == reject["as_of"] == {"ledger_seq": 2}
    assert await account(world) == Account(PROGRAM, USER, "USD", 500, 0, 2)


async def test_the_same_question_is_answered_with_the_same_bytes_and_another_refused(
    world: World,
) -> None:
    (rejected,) = await world.authorizations.decide([a_question(amount_minor=500)])
    await world.credit(USER, 3000)
    again, other = await world.authorizations.decide(
        [a_question(amount_minor=500), a_question(amount_minor=501)]
    )

    assert again == Answer(AnswerKind.REPLAYED, rejected.body)
    assert other.kind is AnswerKind.MISMATCHED
    assert (await account(world)).available_minor == 3000


async def test_reasons_for_a_rejection(world: World) -> None:
    await world.credit(USER, 3000)
    await world.credit("blocked", 3000)
    await world.block("blocked")

    assert (await ask(world, "a", user_id="nobody"))["reason_code"] == "unknown_user"
    assert (await ask(world, "b", currency="EUR"))["reason_code"] == "currency_not_supported"
    assert (await ask(world, "c", user_id="blocked"))["reason_code"] == "account_blocked"


async def test_another_programs_user_looks_like_an_unknown_one(world: World) -> None:
    await world.credit(USER, 3000)

    answer = await ask(world, program="other")

    assert (answer["reason_code"], answer["remaining_credit"]) == ("unknown_user", 0.0)
    assert not await world.authorizations.accounts("other", USER)
    assert (await account(world)).available_minor == 3000


async def test_one_batch_of_many_members_answers_each(world: World) -> None:
    await world.credit(USER, 3000)
    await world.credit("user_2", 3000)
    questions = [a_question(f"t{n}", amount_minor=1000, user_id=USER) for n in range(4)]
    questions += [a_question(f"u{n}", amount_minor=1000, user_id="user_2") for n in range(4)]

    answers = await world.authorizations.decide(questions)

    permits = [b'"PERMIT"' in answer.body for answer in answers]
    assert permits == [True, True, True, False] * 2


async def test_a_dry_run_writes_nothing(world: World) -> None:
    await world.credit(USER, 3000)

    answer = await ask(world, is_dry_run=True)

    assert (answer["status"], answer["remaining_credit"]) == ("PERMIT", 5.0)
    assert await world.authorizations.find(PROGRAM, "txn_1") is None
    assert (await account(world)).available_minor == 3000


async def hold(world: World) -> None:
    await world.credit(USER, 3000)
    assert (await ask(world, is_capture=False))["status"] == "PERMIT"


async def move(world: World, *args: Any, **fields: Any) -> MoveAnswer:
    return await world.authorizations.move(a_move(*args, **fields))


async def test_a_hold_is_captured_in_part_once_and_the_rest_released(world: World) -> None:
    await hold(world)
    assert (await account(world)).held_minor == 2500

    first, again = await move(world, "capture", "10"), await move(world, "capture", "10.00")
    other = await move(world, "capture", "11")

    assert json.loads(first.body)["captured_amount"] == 10.0
    assert (again.result, again.body) == (MoveResult.REPLAYED, first.body)
    assert other.result is MoveResult.FORBIDDEN
    assert await account(world) == Account(PROGRAM, USER, "USD", 2000, 0, 3)


async def test_captured_money_comes_back_in_parts_and_never_more(world: World) -> None:
    await world.credit(USER, 2500)
    await ask(world)

    first, again = await move(world, "refund", "20", "r1"), await move(world, "refund", "20", "r1")
    mismatch = await move(world, "refund", "21", "r1")
    above, rest = await move(world, "refund", "5.01", "r2"), await move(world, "refund", "5", "r2")

    assert [one.result.value for one in (first, again, mismatch, above, rest)] == [
        "done",
        "replayed",
        "mismatched",
        "invalid",
        "done",
    ]
    assert await account(world) == Account(PROGRAM, USER, "USD", 2500, 0, 4)


async def test_an_increment_is_decided_and_sticky(world: World) -> None:
    await hold(world)

    permit = await move(world, "increment", "5", "i1")
    reject = await move(world, "increment", "0.01", "i2")
    await world.credit(USER, 1000)
    again = await move(world, "increment", "0.01", "i2")

    assert json.loads(permit.body)["held_amount"] == 30.0
    assert json.loads(reject.body)["increment"]["reason_code"] == "insufficient_credit"
    assert (again.result, again.body) == (MoveResult.REPLAYED, reject.body)
    assert (await account(world)).held_minor == 3000


async def test_a_void_releases_once(world: World) -> None:
    await hold(world)

    first, again = await move(world, "void"), await move(world, "void")

    assert (first.result, again.result) == (MoveResult.DONE, MoveResult.REPLAYED)
    assert again.body == first.body
    assert (await move(world, "capture")).state == "voided"
    assert (await account(world)).available_minor == 3000


async def test_a_void_that_overtakes_its_authorization_rejects_it(world: World) -> None:
    await world.credit(USER, 3000)

    first, again = await move(world, "void"), await move(world, "void")
    answer = await ask(world)

    assert json.loads(first.body)["state"] == "voided"
    assert again.body == first.body
    assert answer["reason_code"] == "voided_before_arrival"
    assert (await account(world)).available_minor == 3000


async def test_moves_of_an_unknown_or_foreign_id_find_nothing(world: World) -> None:
    await hold(world)

    unknown = await world.authorizations.move(Move(MoveKind.CAPTURE, PROGRAM, "nothing"))
    foreign = await move(world, "capture", program="other")

    assert unknown.result is foreign.result is MoveResult.UNKNOWN
    assert await world.authorizations.find("other", "txn_1") is None


async def test_a_hold_past_its_time_is_released_by_the_sweeper_and_not_captured(
    world: World,
) -> None:
    await hold(world)
    world.clock.advance(days=7)

    captured = await move(world, "capture")
    swept = await world.authorizations.expire_holds(world.clock.now(), 10)

    assert (captured.result, captured.state) == (MoveResult.FORBIDDEN, "expired")
    assert swept == 1
    assert await world.authorizations.expire_holds(world.clock.now(), 10) == 0
    assert (await account(world)).available_minor == 3000
    view = await world.authorizations.find(PROGRAM, "txn_1")
    assert view is not None
    assert view.state == "expired"


@pytest.mark.database
async def test_what_is_decided_from_several_processes_never_overdraws(pool: Pool) -> None:
    world = PostgresWorld(pool)
    await world.credit(USER, 10_000)

    async def one_process(number: int) -> list[Answer]:
        authorizations = PostgresAuthorizations(pool)
        questions = [a_question(f"t{number}-{n}", amount_minor=300) for n in range(20)]
        questions.append(a_question("shared", amount_minor=100))
        return await authorizations.decide(questions)

    answers = await asyncio.gather(*(one_process(number) for number in range(6)))

    shared = {answer[-1].body for answer in answers}
    permits = sum(b'"PERMIT"' in one.body for answer in answers for one in answer[:-1])
    found = await account(world)
    assert len(shared) == 1
    assert found.available_minor == 10_000 - 300 * permits - 100 * (b'"PERMIT"' in shared.pop())
    assert 0 <= found.available_minor < 300


@pytest.mark.database
async def test_a_void_and_its_authorization_that_meet_never_both_win(pool: Pool) -> None:
    world = PostgresWorld(pool)
    await world.credit(USER, 1_000_000)
    for number in range(30):
        name = f"meet{number}"
        (answer,), voided = await asyncio.gather(
            world.authorizations.decide([a_question(name, amount_minor=1, is_capture=False)]),
            world.authorizations.move(Move(MoveKind.VOID, PROGRAM, name)),
        )
        view = await world.authorizations.find(PROGRAM, name)
        assert view is not None
        assert view.held_minor == 0
        assert voided.result is MoveResult.DONE
        assert answer.kind is AnswerKind.DECIDED
    assert (await account(world)).available_minor == 1_000_000


@pytest.mark.database
@pytest.mark.parametrize(
    "bad",
    [
        # The table refuses an amount of 0, a column one beyond 2^63; no checked question has them.
        a_question("bad", amount_minor=0),
        a_question("bad", amount_minor=2**63),
        # What stands between the values of a column would make two of one.
        a_question("bad\x1fworse"),
        a_question("bad", user_id="a\x1fb"),
        a_question("bad\ud800"),
    ],
)
async def test_a_member_that_fails_does_not_fail_its_neighbours(pool: Pool, bad: Question) -> None:
    world = PostgresWorld(pool)
    await world.credit(USER, 3000)

    first, failed, last = await world.authorizations.decide(
        [a_question("a", amount_minor=1), bad, a_question("b", amount_minor=1)]
    )

    assert (first.kind, failed.kind, last.kind) == ("decided", "undecided", "decided")
    assert (await account(world)).available_minor == 2998


@pytest.mark.database
async def test_the_database_itself_refuses_a_permit_that_overdraws(pool: Pool) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="permit_never_overdraws"):
        await pool.execute(
            "insert into decisions (program, transaction_id, authorization_id, question_hash, "
            "user_id, currency, amount_minor, is_capture, status, reason_code, remaining_minor, "
            "ledger_seq, answer, decided_at) values ('default', 't', 'a', '', 'u', 'USD', 1, true, "
            "'PERMIT', 'sufficient_credit', -1, 1, '', now())"
        )


@pytest.mark.database
async def test_a_lost_connection_is_retried_and_its_commit_found(pool: Pool) -> None:
    world = PostgresWorld(pool)
    await world.credit(USER, 3000)
    authorizations = LosingItsCommit(pool, now=lambda: datetime.now(UTC))

    (answer,) = await authorizations.decide([a_question()])

    assert authorizations.losses == 1
    assert answer.kind is AnswerKind.DECIDED
    assert (await account(world)).available_minor == 500


class LosingItsCommit(PostgresAuthorizations):
    """The first answer to a COMMIT never arrives."""

    losses = 0

    @override
    async def _decide_once(self, questions: Any) -> list[Answer]:
        answers = await super()._decide_once(questions)
        if not self.losses:
            self.losses += 1
            raise ConnectionResetError
        return answers
