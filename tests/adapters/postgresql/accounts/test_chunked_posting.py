"""Two sessions post the halves of a large file, and one alone while users spend."""

from threading import Event

import polars as pl
import psycopg
import pytest

from cardops.adapters.postgresql.accounts import (
    chunked_posting,
    deposits,
    outcomes,
    pacing,
    posting,
)
from cardops.adapters.postgresql.accounts.staging import Chunk, Stage
from cardops.adapters.postgresql.connection import connect
from tests.factories.intake import Deposit, an_intake_file, staged
from tests.oracles.deposit_books import ObservedPostgresDepositLedger

pytestmark = pytest.mark.database
FILE = an_intake_file(1)
USERS = [f"user_{letter}" for letter in "abcdefgh"]
ROWS = staged([Deposit(f"d-{n}", user_id=USERS[n * 5 % 8]) for n in range(40)])
FIRST_HALF, SECOND_HALF = USERS[:4], USERS[4:]
AN_AUTHORIZATION = """
insert into decisions (
    program, transaction_id, authorization_id, question_hash, user_id, currency, amount_minor,
    is_capture, status, reason_code, remaining_minor, ledger_seq, answer, decided_at
) values ('default', 't1', 'a1', '', 'user_a', 'USD', 100, true, 'REJECT', 'insufficient_credit',
    0, 0, '', clock_timestamp() + interval '1 hour')
"""


@pytest.fixture(autouse=True)
def small_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked_posting, "HALVED_ROWS", 10)
    monkeypatch.setattr(chunked_posting, "PAUSE_SECONDS", 0.01)
    for name in ("FIRST_ROWS", "MIN_ROWS", "MAX_ROWS"):
        monkeypatch.setattr(pacing, name, 4)


class Order:
    """The last user of each chunk, as they are posted; `before` is called with each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.users: list[str] = []
        self.second_began = Event()
        self.real = posting.credit_chunk
        monkeypatch.setattr(deposits, "credit_chunk", self.credit)

    def credit(self, session: psycopg.Connection, stage: Stage, chunk: Chunk) -> pl.DataFrame:
        if chunk.to_user in SECOND_HALF:
            self.second_began.set()
        self.before(chunk)
        credited = self.real(session, stage, chunk)
        self.users.append(chunk.to_user)
        return credited

    def before(self, chunk: Chunk) -> None:
        """Nothing, unless a test replaces it."""


def test_halves_are_posted_at_once_and_in_file_order(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = Order(monkeypatch)

    def wait_for_the_second(chunk: Chunk) -> pl.DataFrame:
        if chunk.to_user in FIRST_HALF:
            assert order.second_began.wait(30), "the second half never began beside the first"

    monkeypatch.setattr(order, "before", wait_for_the_second)
    ledger = ObservedPostgresDepositLedger(database_url)
    ledger.credit(FILE, [ROWS])

    with connect(database_url) as session:
        posted = session.execute(
            "select user_id, array_agg(row_number order by ledger_seq) from deposit_events"
            " group by user_id order by user_id"
        ).fetchall()
    in_file = ROWS.sort("row_number").group_by("user_id").agg("row_number").sort("user_id")
    assert [(user, rows) for user, rows in posted] == in_file.rows()
    assert ledger.outcome(FILE)["outcome"].to_list() == ["accepted"] * 40


def test_second_half_waits_while_users_spend(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = Order(monkeypatch)
    with connect(database_url) as session:
        session.execute(AN_AUTHORIZATION)

    ObservedPostgresDepositLedger(database_url).credit(FILE, [ROWS])

    halves = [user in SECOND_HALF for user in order.users]
    assert halves == sorted(halves)
    assert len(halves) == 10


@pytest.mark.parametrize("half", [FIRST_HALF, SECOND_HALF])
def test_failure_of_either_half_fails_the_file_and_is_resumed(
    database_url: str, monkeypatch: pytest.MonkeyPatch, half: list[str]
) -> None:
    order, ledger = Order(monkeypatch), ObservedPostgresDepositLedger(database_url)

    def fail(chunk: Chunk) -> pl.DataFrame:
        if chunk.to_user == half[2]:
            raise RuntimeError("a fault")

    monkeypatch.setattr(order, "before", fail)
    with pytest.raises(RuntimeError, match="a fault"):
        ledger.credit(FILE, [ROWS])
    monkeypatch.undo()
    ledger.credit(FILE, [ROWS])

    assert ledger.outcome(FILE)["outcome"].to_list() == ["accepted"] * 40
    accounts = [row for frame in ledger.accounts() for row in frame.rows()]
    assert {(row[3], row[5]) for row in accounts} == {(2_500, 5)}


def test_ends_of_chunks_are_found_in_the_index_alone(database_url: str) -> None:
    ObservedPostgresDepositLedger(database_url).credit(FILE, [ROWS])

    with connect(database_url) as session:
        pages = session.execute(
            "select relpages, relallvisible from pg_class where relname = 'deposit_stage_1'"
        ).fetchone()
    assert pages == (1, 1)


def test_only_rows_that_were_not_credited_are_looked_up(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = ObservedPostgresDepositLedger(database_url)
    ledger.credit(an_intake_file(2), [ROWS[[3, 17]]])
    real, looked_up = outcomes._looked_up, []

    def observed(
        session: psycopg.Connection, stage: Stage, numbers: list[int] | None
    ) -> pl.DataFrame:
        looked_up.append(numbers)
        return real(session, stage, numbers)

    monkeypatch.setattr(outcomes, "_looked_up", observed)
    found = ledger.outcome(FILE, ledger.credit(FILE, [ROWS]))

    assert looked_up == [ROWS["row_number"][[3, 17]].to_list()]
    assert found.filter(pl.col("outcome") == "duplicate")["row_number"].to_list() == looked_up[0]
    assert found.height == 40
