"""How the disputes of a simulated day ended, by reason and by month, and how soon they were answered.

Belongs here: looking at the rows of each dispute once, and counting disputes one by one, without any code
of the platform.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from simulation.dispute_names import files_by_row, name_of
from simulation.dispute_rows import ENDED, dispute_key, grouped, is_accepted
from simulation.rates import rate_text, wilson_texts
from simulation.rows import InputFile, Row

Json = dict[str, Any]
_ANSWERS: Final = frozenset({"representment", "pre_arbitration", "arbitration"})


@dataclass(frozen=True, slots=True)
class DisputeEnd:
    """What is true of one dispute in the end.

    `answered_on`: the earliest day that a row says of an answer; `is_answered_by_arrival`: a row that says no day is
    an answer too, on the day on which it arrives.
    """

    name: str
    transaction_id: str
    network: str
    category: str
    day: str
    currency: str
    amount_minor: int
    is_chargeback: bool
    outcome: str
    ended_on: str
    answered_on: str | None
    is_answered_by_arrival: bool

    @property
    def group(self) -> str:
        """What outcomes are counted by."""
        return f"{self.network} {self.category} {self.currency}"


def dispute_ends(files: Sequence[InputFile]) -> Iterator[DisputeEnd]:
    """Each dispute by all its rows: the last one says how it stands."""
    file_of = files_by_row(files)
    for rows in grouped(files, is_accepted, dispute_key):
        last = rows[-1]
        status = str(last.cells["status"])
        answers = [str(row.cells["activity_date"]) for row in rows if _is_answer(row)]
        yield DisputeEnd(
            name=name_of(file_of[id(last)], last),
            transaction_id=str(last.cells["transaction_id"]),
            network=last.network,
            category=last.category,
            day=min(str(row.cells["dispute_date"])[:10] for row in rows),
            currency=last.currency,
            amount_minor=last.amount_minor,
            is_chargeback={str(row.cells["stage"]) for row in rows} != {"inquiry"},
            outcome=status if status in ENDED else "open",
            ended_on=str(last.cells["resolution_date"]),
            answered_on=min(filter(None, answers), default=None),
            is_answered_by_arrival="" in answers,
        )


def _is_answer(row: Row) -> bool:
    return row.cells["stage"] in _ANSWERS


def outcomes(disputes: Iterable[DisputeEnd]) -> Json:
    """By card company and currency: how chargebacks ended, and the money of the open ones."""
    names = ("disputes", "open", "won", "lost", "at_stake")
    counted = _counted(disputes, lambda dispute: f"{dispute.network} {dispute.currency}")
    return {key: {name: sums[name] for name in names} for key, sums in counted.items()}


def outcomes_by_reason(disputes: Iterable[DisputeEnd]) -> Json:
    """The same by reason category too, with the win rate, its interval, and the money won and lost."""
    names = ("disputes", "open", "won", "lost", "value", "at_stake", "won_value", "lost_value")
    return _with_win_rates(_counted(disputes, lambda dispute: dispute.group), names)


def outcomes_by_month(disputes: Iterable[DisputeEnd]) -> Json:
    """Of those that ended, by the month that their last row says of it."""
    names = ("disputes", "won", "lost", "value", "won_value", "lost_value")
    ended = (dispute for dispute in disputes if dispute.outcome != "open")
    counted = _counted(ended, lambda dispute: f"{dispute.ended_on[:7]} {dispute.group}")
    return _with_win_rates(counted, names)


def dispute_answers(disputes: Iterable[DisputeEnd]) -> Json:
    """Answered chargebacks by name: their group, when they were opened, and since when they are answered."""
    return {
        dispute.name: {
            "group": dispute.group,
            "opened_on": dispute.day,
            "answered_on": dispute.answered_on,
            "is_answered_by_arrival": dispute.is_answered_by_arrival,
        }
        for dispute in disputes
        if dispute.is_chargeback and (dispute.answered_on or dispute.is_answered_by_arrival)
    }


def _counted(
    disputes: Iterable[DisputeEnd], key_of: Callable[[DisputeEnd], str]
) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for dispute in disputes:
        if dispute.is_chargeback:
            money = "at_stake" if dispute.outcome == "open" else f"{dispute.outcome}_value"
            minor = dispute.amount_minor
            found[key_of(dispute)].update(
                {"disputes": 1, dispute.outcome: 1, "value": minor, money: minor}
            )
    return dict(sorted(found.items()))


def _with_win_rates(counted: Mapping[str, Counter[str]], names: Sequence[str]) -> Json:
    return {
        key: {**{name: sums[name] for name in names}, **_win_rate(sums)}
        for key, sums in counted.items()
    }


def _win_rate(sums: Counter[str]) -> Json:
    contested = sums["won"] + sums["lost"]
    lower, upper = wilson_texts(sums["won"], contested)
    return {"win_rate": rate_text(sums["won"], contested), "lower": lower, "upper": upper}
