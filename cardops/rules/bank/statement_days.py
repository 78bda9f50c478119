"""The statements of one account and date as one: what the date opened and closed with.

Belongs here: how statements of a date follow each other. A bank may send several a date, in several
files, which arrive in any order, so that only their balances say which is the last.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class StatementBalances(NamedTuple):
    """One statement, in minor units."""

    opening_minor: int
    closing_minor: int


@dataclass(frozen=True, slots=True)
class StatementDay:
    """A date's first and last balance.

    `gap`: an opening balance, and the other closing balance that it should follow; None where each
    statement follows another, and the first follows the date before.
    """

    opening_minor: int
    closing_minor: int
    gap: tuple[int, int] | None


def statement_day(
    statements: Sequence[StatementBalances], before_minor: int | None
) -> StatementDay:
    """At least one statement, in the order of their numbers, and the closing balance before them.

    The order is used only where the balances leave it open, or do not make a chain.
    """
    chain = _chain(statements, before_minor)
    if chain is None:
        first, last = statements[0], statements[-1]
        gap = _first_gap(statements, before_minor)
        return StatementDay(first.opening_minor, last.closing_minor, gap)
    opening, closing = chain
    if before_minor is None or before_minor == opening:
        return StatementDay(opening, closing, None)
    return StatementDay(opening, closing, (opening, before_minor))


def _chain(
    statements: Sequence[StatementBalances], before_minor: int | None
) -> tuple[int, int] | None:
    """First and last balance of a chain through all statements, or None if there is none.

    Statements are edges between balances: the chain is a path that takes each once. It exists where
    the edges hang together and every balance but its ends is opened with as often as closed with.
    """
    opened = Counter(statement.opening_minor for statement in statements)
    closed = Counter(statement.closing_minor for statement in statements)
    first, last = list((opened - closed).elements()), list((closed - opened).elements())
    if len(first) > 1 or not _hang_together(statements):
        return None
    if first:
        return first[0], last[0]
    # It ends where it began, anywhere.
    if before_minor is not None and before_minor in opened:
        return before_minor, before_minor
    return statements[0].opening_minor, statements[0].opening_minor


def _hang_together(statements: Sequence[StatementBalances]) -> bool:
    reached, rest = {statements[0].opening_minor}, list(statements)
    while near := [each for each in rest if not reached.isdisjoint(each)]:
        rest = [each for each in rest if reached.isdisjoint(each)]
        reached.update(balance for each in near for balance in each)
    return not rest


def _first_gap(
    statements: Sequence[StatementBalances], before_minor: int | None
) -> tuple[int, int]:
    current = statements[0].opening_minor if before_minor is None else before_minor
    for statement in statements:
        if statement.opening_minor != current:
            return statement.opening_minor, current
        current = statement.closing_minor
    raise ValueError("statements that follow each other have no gap")
