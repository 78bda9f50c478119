"""What disputes of one user's purchases must give back, day by day, spelled out with lists.

Belongs here: Regulation E for purchases by card of an old account, without a network's own clocks. It
shares no code with the product: business days are counted against a list of holidays.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta

DAY = timedelta(days=1)
# From September 2026 on: Labor Day, Columbus Day, Veterans Day, Thanksgiving, Christmas, New Year, King's
# and Washington's birthdays.
HOLIDAYS = {
    date(2026, 9, 7), date(2026, 10, 12), date(2026, 11, 11), date(2026, 11, 26), date(2026, 12, 25),
    date(2027, 1, 1), date(2027, 1, 18), date(2027, 2, 15), date(2027, 5, 31), date(2027, 6, 19),
    date(2027, 7, 5), date(2027, 9, 6),
}  # fmt: skip
# Purchases are of September 1st; their statement is of the 30th.
LAST_NOTICE_ON = date(2026, 9, 30) + 60 * DAY


@dataclass
class ModelDispute:
    """Its steps as (day, status, amount), and what was posted: the credit and the end, with amounts."""

    transaction_id: str
    steps: list[tuple[date, str, int]] = field(default_factory=list)
    notices: list[date] = field(default_factory=list)
    credit: int | None = None
    end: tuple[str, int] | None = None

    @property
    def kept(self) -> int:
        if self.credit is None or (self.end is not None and self.end[0] == "credit_taken_back"):
            return 0
        return self.credit + (self.end[1] if self.end else 0)


@dataclass
class ProvisionalModel:
    """`spent`: of each purchase, less refunds. `disputes` by case number, in order of their notice."""

    available: int
    spent: dict[str, int]
    disputes: dict[str, ModelDispute] = field(default_factory=dict)

    def tell(self, case: str, transaction_id: str, step: tuple[date, str, int]) -> None:
        dispute = self.disputes.setdefault(case, ModelDispute(transaction_id))
        dispute.steps.append(step)

    def post(self, today: date) -> None:
        order = sorted(self.disputes, key=lambda case: (self.disputes[case].steps[0][0], case))
        for case in order:
            dispute = self.disputes[case]
            if dispute.credit is None:
                self.give(dispute, today)
            if dispute.credit is not None and dispute.end is None:
                self.finish(dispute, today)

    def left(self, dispute: ModelDispute) -> int:
        """What the purchase has left for this dispute, without what the others keep."""
        others = [
            other.kept
            for other in self.disputes.values()
            if other is not dispute and other.transaction_id == dispute.transaction_id
        ]
        return self.spent[dispute.transaction_id] - sum(others)

    def give(self, dispute: ModelDispute, today: date) -> None:
        told_on = dispute.steps[0][0]
        _, status, disputed = dispute.steps[-1]
        amount = min(disputed, self.left(dispute))
        is_late = told_on > LAST_NOTICE_ON
        is_due = status == "lost" or (status == "open" and today >= business_days(told_on, 10))
        if is_due and amount > 0 and not is_late:
            dispute.credit = amount
            self.available += amount

    def finish(self, dispute: ModelDispute, today: date) -> None:
        credit = dispute.credit or 0
        last_on = dispute.steps[0][0] + 90 * DAY
        ended_on, status, disputed = dispute.steps[-1]
        if status == "won" and ended_on <= last_on:
            sent = [on for on in dispute.notices if on >= ended_on]
            if sent and today >= business_days(max(sent), 2):
                dispute.end = ("credit_taken_back", credit)
                self.available -= credit
        elif status == "won":
            dispute.end = ("credit_made_final", 0) if today >= last_on else None
        elif status == "lost" or today >= last_on:
            rest = min(disputed, self.left(dispute)) - credit
            # Where less is disputed than was given, a person decides.
            if rest >= 0:
                dispute.end = ("credit_made_final", rest)
                self.available += rest


def business_days(day: date, count: int) -> date:
    while count:
        day += DAY
        if day.weekday() < 5 and day not in HOLIDAYS:
            count -= 1
    return day
