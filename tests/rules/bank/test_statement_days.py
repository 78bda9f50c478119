"""Statements of one date follow each other, whatever the order in which they came."""

from itertools import pairwise, permutations

from hypothesis import given
from hypothesis import strategies as st

from cardops.rules.bank.statement_days import StatementBalances, StatementDay, statement_day

BALANCES = st.builds(StatementBalances, st.integers(0, 3), st.integers(0, 3))


def follow_each_other(statements: tuple[StatementBalances, ...]) -> bool:
    return all(a.closing_minor == b.opening_minor for a, b in pairwise(statements))


@given(st.lists(BALANCES, min_size=1, max_size=5), st.none() | st.integers(0, 3))
def test_day_is_that_of_an_order_in_which_statements_follow(
    statements: list[StatementBalances], before: int | None
) -> None:
    orders = [order for order in permutations(statements) if follow_each_other(order)]
    ends = {(order[0].opening_minor, order[-1].closing_minor) for order in orders}
    preferred = {end for end in ends if end[0] == before}

    day = statement_day(statements, before)

    if not ends:
        assert day.gap is not None
        return
    assert (day.opening_minor, day.closing_minor) in (preferred or ends)
    assert day.gap == (None if preferred or before is None else (day.opening_minor, before))


def test_statement_sent_twice_under_two_ids_is_a_gap() -> None:
    twice = [StatementBalances(10, 15)] * 2

    assert statement_day(twice, 10) == StatementDay(10, 15, (10, 15))


def test_statement_apart_from_the_others_is_a_gap() -> None:
    apart = [StatementBalances(10, 15), StatementBalances(20, 20)]

    assert statement_day(apart, 10) == StatementDay(10, 20, (20, 15))
