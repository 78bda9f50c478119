"""Comparisons of independent sources; the vectorised comparison agrees with the scalar rule."""

from pathlib import Path

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from cardops.contracts.lake.reconciliation import (
    BOOKS_COLUMNS,
    breaks_in,
    store_sides,
    totals_by_currency,
)
from cardops.rules.reconciliation.comparisons import COMPARISONS, STORE_COMPARISONS, Side
from tests.oracles.reconciliation_breaks import Break, Subject, breaks_of

ANA = Subject("default", "ana", "USD")
AMOUNTS = st.integers(-3, 3)
SHOWN = [
    "program", "user_id", "currency", "side_a", "side_b", "amount_a_minor", "amount_b_minor",
]  # fmt: skip


def test_equal_sources_make_no_break() -> None:
    assert breaks_of(ANA, {Side.BALANCES: 5, Side.POSTINGS: 5}, STORE_COMPARISONS[:1]) == []


def test_break_has_both_sides_and_their_difference() -> None:
    found = breaks_of(ANA, {Side.BALANCES: 5, Side.POSTINGS: 7}, STORE_COMPARISONS[:1])

    assert found == [Break(ANA, Side.BALANCES, Side.POSTINGS, 5, 7)]
    assert found[0].difference_minor == -2


def test_account_missing_in_one_source_breaks_against_zero() -> None:
    found = breaks_of(ANA, {Side.POSTINGS: 7}, STORE_COMPARISONS)

    assert found == [Break(ANA, Side.BALANCES, Side.POSTINGS, 0, 7)]


def test_account_may_be_below_zero_by_obligations_and_no_more() -> None:
    floor = STORE_COMPARISONS[2:]

    assert not breaks_of(ANA, {Side.AVAILABLE_BALANCES: -5, Side.OBLIGATIONS: -5}, floor)
    assert breaks_of(ANA, {Side.AVAILABLE_BALANCES: -6, Side.OBLIGATIONS: -5}, floor)
    assert breaks_of(ANA, {Side.AVAILABLE_BALANCES: -1}, floor)


def test_each_comparison_has_a_check_of_its_own() -> None:
    names = [comparison.check for comparison in COMPARISONS]

    assert len(set(names)) == len(COMPARISONS)


@given(st.lists(st.tuples(*[AMOUNTS] * 8), max_size=6))
def test_table_rule_finds_the_same_breaks_as_the_scalar_rule(
    accounts: list[tuple[int, ...]],
) -> None:
    books = books_of(accounts)

    found = (
        breaks_in(store_sides(books), STORE_COMPARISONS)
        .sort("user_id", "side_a")
        .select(SHOWN)
        .rows()
    )

    assert found == sorted(
        (
            (
                *account[:3],
                difference.side_a.value,
                difference.side_b.value,
                difference.amount_a_minor,
                difference.amount_b_minor,
            )
            for account in books.rows()
            for difference in breaks_of(Subject(*account[:3]), sides_of(account), STORE_COMPARISONS)
        ),
        key=lambda row: (row[1], row[3]),
    )


def test_totals_satisfy_the_identity_without_breaks() -> None:
    books = books_of([(60, 30, 100, 20, 15, 25, 30, 0)])

    (row,) = totals_by_currency(books).to_dicts()

    assert row == {
        "currency": "USD",
        "deposits": 80,
        "spends": 15,
        "reversals": 25,
        "balances": 90,
    }
    assert row["deposits"] - row["spends"] + row["reversals"] == row["balances"]


def books_of(accounts: list[tuple[int, ...]]) -> pl.DataFrame:
    """Available, held, deposits, recalls, spends, reversals, open holds, taken back of one user each."""
    rows = [
        ("default", f"user_{number}", "USD", *amounts[:2], number, *amounts[2:7], 0, 0, amounts[7])
        for number, amounts in enumerate(accounts)
    ]
    return pl.DataFrame(rows, schema=BOOKS_COLUMNS, orient="row")


def sides_of(account: tuple[object, ...]) -> dict[Side, int]:
    available, held, _, deposits, recalls, spends, reversals, open_holds = (
        int(str(value)) for value in account[3:11]
    )
    return {
        Side.BALANCES: available + held,
        Side.POSTINGS: deposits - recalls - spends + reversals,
        Side.HELD_BALANCES: held,
        Side.OPEN_HOLDS: open_holds,
        Side.AVAILABLE_BALANCES: available,
        Side.OBLIGATIONS: -recalls - int(str(account[13])),
    }


def test_each_check_has_a_paragraph_in_the_runbook_and_a_place_in_the_docs() -> None:
    docs = Path(__file__).resolve().parents[2] / "docs"
    runbook = (docs / "runbooks/reconciliation-breaks.md").read_text()
    overview = (docs / "reconciliation.md").read_text()

    for comparison in COMPARISONS:
        assert f"\n### {comparison.check}\n" in runbook
        assert f"`{comparison.check}`" in overview
    assert runbook.count("\n### ") == len(COMPARISONS)
