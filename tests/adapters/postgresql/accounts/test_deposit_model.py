"""PostgreSQL behaves like the model for any number of files in any order."""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardops.adapters.postgresql.accounts import chunked_posting, pacing
from cardops.adapters.postgresql.connection import connect
from tests.factories.intake import AN_INSTANT, Deposit, an_intake_file, staged
from tests.fakes.deposit_ledger import FakeDepositLedger
from tests.oracles.deposit_books import ObservedDepositLedger, ObservedPostgresDepositLedger

pytestmark = pytest.mark.database

DEPOSITS = st.builds(
    Deposit,
    deposit_id=st.sampled_from([f"d-{n}" for n in range(6)]),
    user_id=st.sampled_from([*(f"user_{n}" for n in range(12)), "User.3"]),
    amount_minor=st.sampled_from([1, 2, 9_007_199_254_740_991 // 64]),
    currency=st.sampled_from(["USD", "JPY"]),
    occurred_at=st.sampled_from([AN_INSTANT, AN_INSTANT + timedelta(microseconds=1)]),
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["credit", "credit", "recall", "recall", "reinstate"]),
        st.integers(1, 3),
        st.sampled_from(["default", "other"]),
    ),
    min_size=1,
    max_size=6,
)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of two rows, so that a few rows make several chunks and users span chunks.

    Files of six rows or more are posted in halves.
    """
    monkeypatch.setattr(chunked_posting, "HALVED_ROWS", 6)
    for name in ("FIRST_ROWS", "MIN_ROWS", "MAX_ROWS"):
        monkeypatch.setattr(pacing, name, 2)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("examples", [15, pytest.param(300, marks=pytest.mark.soak)])
def test_any_sequence_of_files_matches_the_model(database_url: str, examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(
        files=st.lists(st.lists(DEPOSITS, max_size=9), min_size=3, max_size=3),
        steps=STEPS,
    )
    def check(files: list[list[Deposit]], steps: list[tuple[str, int, str]]) -> None:
        empty(database_url)
        real, model = ObservedPostgresDepositLedger(database_url), FakeDepositLedger()
        for action, number, program in steps:
            # One file belongs to one program: the program is part of its number.
            file = an_intake_file(number + (10 if program == "other" else 0), program=program)
            rows = staged(files[number - 1])
            assert step(real, action, file, rows) == step(model, action, file, rows)
            assert books(real) == books(model)

    check()


HUGE_DEPOSITS = st.builds(
    Deposit,
    deposit_id=st.sampled_from([f"d-{n}" for n in range(6)]),
    user_id=st.sampled_from(["user_1", "user_2"]),
    amount_minor=st.sampled_from([1, 2**61, 2**62, 2**63 - 1]),
)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("examples", [7, pytest.param(100, marks=pytest.mark.soak)])
def test_any_sequence_of_huge_deposits_matches_the_model(database_url: str, examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(files=st.lists(st.lists(HUGE_DEPOSITS, max_size=7), min_size=1, max_size=2))
    def check(files: list[list[Deposit]]) -> None:
        empty(database_url)
        real, model = ObservedPostgresDepositLedger(database_url), FakeDepositLedger()
        for number, deposits in enumerate([*files, files[0]], start=1):
            file, rows = an_intake_file(1 if number > len(files) else number), staged(deposits)
            assert step(real, "credit", file, rows) == step(model, "credit", file, rows)
            assert books(real) == books(model)

    check()


def step(ledger: ObservedDepositLedger, action: str, file: Any, rows: pl.DataFrame) -> object:
    if action == "recall":
        return dict(ledger.recall(file, "operator"))
    if action == "reinstate":
        ledger.request_reinstatement(file, "operator", "recalled by mistake")
    credited = ledger.credit(file, [rows])
    found = ledger.outcome(file)
    for known in (credited, credited.head(1)):
        assert ledger.outcome(file, known).rows() == found.rows()
    # A row's ledger_seq depends on the order of chunks, its outcome does not.
    outcomes = found.select("row_number", "outcome").rows()
    return outcomes, dict(ledger.reinstated(file))


def books(ledger: ObservedDepositLedger) -> tuple[list[Any], list[Any]]:
    """Every account from both sources, in a stable order."""
    return (
        sorted(row for frame in ledger.accounts() for row in frame.rows()),
        sorted(row for frame in ledger.posting_totals() for row in frame.rows()),
    )


def empty(url: str) -> None:
    with connect(url) as session:
        session.execute(
            "truncate accounts, deposit_events, deposit_recalls, deposit_reinstatements,"
            " reinstatement_requests, deposit_stagings"
        )
