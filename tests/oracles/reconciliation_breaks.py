"""The scalar reconciliation rule, one account at a time.

cardops.contracts.lake.reconciliation must find the same breaks in whole tables.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cardops.rules.reconciliation.comparisons import Comparison, Side


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose figures are compared: an account, or a program's deposits where there is no user."""

    program: str
    user_id: str | None
    currency: str


@dataclass(frozen=True, slots=True)
class Break:
    """A reconciliation difference, with both sides and their amounts."""

    subject: Subject
    side_a: Side
    side_b: Side
    amount_a_minor: int
    amount_b_minor: int

    @property
    def difference_minor(self) -> int:
        """The one side less the other."""
        return self.amount_a_minor - self.amount_b_minor


def breaks_of(
    subject: Subject, amounts_minor: Mapping[Side, int], comparisons: Iterable[Comparison]
) -> list[Break]:
    """One break for each comparison that does not hold. A side without a figure counts as 0."""
    found = []
    for comparison in comparisons:
        amount_a = amounts_minor.get(comparison.side_a, 0)
        amount_b = amounts_minor.get(comparison.side_b, 0)
        if not holds(comparison, amount_a, amount_b):
            found.append(Break(subject, comparison.side_a, comparison.side_b, amount_a, amount_b))
    return found


def holds(comparison: Comparison, amount_a_minor: int, amount_b_minor: int) -> bool:
    """Equal; with `is_floor`, the first is not below the second."""
    if comparison.is_floor:
        return amount_a_minor >= amount_b_minor
    return amount_a_minor == amount_b_minor
