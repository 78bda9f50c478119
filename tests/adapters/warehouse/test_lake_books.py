"""Closing balances against the log: the quick steps find what an obvious model finds."""

from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardops.adapters.warehouse.lake_books import DuckDbLakeBooks
from tests.factories.lake_tables import DAY, a_balance, a_posting, rows_of
from tests.fakes.lake import FakeLake

EVE = DAY - timedelta(days=1)
USERS = ("ana", "ben", "cas", "dan")
Posting = tuple[str, int, int]
# A user, an amount and how many days before the date.
POSTINGS = st.lists(
    st.tuples(st.sampled_from(USERS), st.integers(-3, 3), st.integers(0, 3)), max_size=8
)
DAMAGES = st.dictionaries(st.sampled_from(USERS), st.integers(-2, 2), max_size=2)


def a_lake(
    postings: list[Posting], closing: dict[str, int], opening: dict[str, int]
) -> DuckDbLakeBooks:
    """The log of four dates, and closing balances of two of them."""
    lake = FakeLake()
    for days_ago in range(4):
        rows = [
            a_posting(user, amount, number)
            for number, (user, amount, ago) in enumerate(postings, 1)
            if ago == days_ago
        ]
        day = DAY - timedelta(days=days_ago)
        lake.write("transaction_log", day, "snapshot", rows_of("transaction_log", *rows))
    for day, balances in ((DAY, closing), (EVE, opening)):
        rows = [a_balance(user, amount, 99) for user, amount in balances.items()]
        lake.write("balances", day, "snapshot", rows_of("balances", *rows))
    return DuckDbLakeBooks(lake)


def balances_of(postings: list[Posting], *, until_days_ago: int) -> Counter[str]:
    """What each account that has ever moved has by then."""
    sums = Counter[str]()
    for user, amount, ago in postings:
        if ago >= until_days_ago:
            sums[user] += amount
    return sums


def found(books: DuckDbLakeBooks, opening: date | None) -> dict[str, tuple[int, int]]:
    rows = books.differing_accounts(DAY, opening=opening)
    return {
        row["user_id"]: (int(row["balances"]), int(row["transaction_log"]))
        for row in rows.to_dicts()
    }


@given(POSTINGS, DAMAGES, st.booleans())
@settings(max_examples=20, deadline=None)
def test_differing_accounts_are_those_of_an_obvious_model(
    postings: list[Posting],
    damages: dict[str, int],
    is_incremental: bool,  # noqa: FBT001 - from hypothesis
) -> None:
    closing, opening = (balances_of(postings, until_days_ago=ago) for ago in (0, 1))
    said = {user: closing[user] + damages.get(user, 0) for user in (*closing, *damages)}
    books = a_lake(postings, said, dict(opening))

    differing = found(books, EVE if is_incremental else None)

    assert differing == {
        user: (amount, closing[user]) for user, amount in said.items() if amount != closing[user]
    }


@pytest.mark.parametrize("opening", [None, EVE])
def test_account_lost_from_closing_balances_differs(opening: date | None) -> None:
    books = a_lake([("ana", 5, 2), ("ben", 1, 0)], {"ben": 1}, {"ana": 5})

    assert found(books, opening) == {"ana": (0, 5)}


@pytest.mark.parametrize("opening", [None, EVE])
def test_two_damages_of_one_sum_are_both_found(opening: date | None) -> None:
    books = a_lake([("ana", 5, 2), ("ben", 5, 0)], {"ana": 6, "ben": 4}, {"ana": 5})

    assert found(books, opening) == {"ana": (6, 5), "ben": (4, 5)}


@pytest.mark.parametrize("opening", [None, EVE])
def test_account_opened_after_the_balances_is_no_break(opening: date | None) -> None:
    books = a_lake([("ana", 5, 2), ("ben", 5, 0)], {"ana": 5}, {"ana": 5})

    assert found(books, opening) == {}
