"""Days of authorizations, settlements and disputes, with every break of the match planted by name."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any, Final

from tests.factories.lake_tables import rows_of
from tests.fakes.lake import FakeLake

FIRST_DAY: Final = date(2026, 9, 1)
LAST_DAY: Final = date(2026, 11, 20)
_EARLIER: Final = timedelta(days=30)

Row = Mapping[str, Any]


@dataclass
class MatchDays:
    """One program's rows by table and business date, and the breaks that were planted in them."""

    program: str
    rng: Random
    rows: dict[str, dict[date, list[Row]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    planted: set[tuple[str, str, str]] = field(default_factory=set)
    count: int = 0

    def new_id(self) -> str:
        self.count += 1
        return f"t-{self.count}"

    def day(self, first: date = FIRST_DAY, last: date = LAST_DAY) -> date:
        return first + timedelta(days=self.rng.randrange((last - first).days + 1))

    def amount(self) -> int:
        return self.rng.randrange(1, 10_000)

    def log(self, on: date, key: str, kind: str, posted: int, held: int, **more: object) -> None:
        at = datetime.combine(on, time(self.rng.randrange(24), 30), UTC)
        row = {
            "program": self.program,
            "kind": kind,
            "event_key": f"{key}/{kind}",
            "transaction_id": key,
            "user_id": f"user-{key}",
            "posted_minor": posted,
            "held_change_minor": held,
            "status": "PERMIT" if kind in {"decision", "increment"} else None,
            "occurred_at": at,
            **more,
        }
        self.rows["transaction_log"][on].append(row)

    def capture(self, on: date, amount: int, **more: object) -> str:
        key = self.new_id()
        self.log(on, key, "decision", -amount, 0, is_capture=True, **more)
        return key

    def hold(self, on: date, amount: int) -> str:
        key = self.new_id()
        self.log(on, key, "decision", 0, amount, is_capture=False)
        return key

    def settle(self, on: date, key: str, amount: int, **more: object) -> None:
        self.rows["transactions"][on].append(
            {
                "program": self.program,
                "transaction_id": key,
                "order_id": f"order-{key}",
                "user_id": f"user-{key}",
                "amount_minor": amount,
                "created_at": datetime.combine(on, time(), UTC),
                **more,
            }
        )

    def dispute(self, on: date, key: str, **more: object) -> None:
        row = {"program": self.program, "case_number": f"case-{key}", "transaction_id": key, **more}
        self.rows["chargebacks"][on].append(row)

    def plant(self, key: str, *kinds: str) -> None:
        self.planted |= {(self.program, key, kind) for kind in kinds}


def matched(days: MatchDays) -> None:
    on, amount = days.day(), days.amount()
    key = days.capture(on, amount)
    settled_on = min(LAST_DAY, on + timedelta(days=days.rng.randrange(8)))
    days.settle(settled_on, key, amount, status=days.rng.choice(("completed", "refunded")))
    if days.rng.random() < 0.2:
        days.dispute(days.day(settled_on), key)


def captured_in_parts_of_its_hold(days: MatchDays) -> None:
    on, amount = days.day(), days.amount()
    key = days.hold(on, amount)
    days.log(on, key, "increment", 0, 50)
    days.log(on, key, "capture", -amount, -amount - 50)
    days.settle(on, key, amount, user_id=None)


def open_hold(days: MatchDays) -> None:
    days.hold(days.day(), days.amount())


def released(days: MatchDays) -> None:
    on, amount = days.day(), days.amount()
    key = days.hold(on, amount)
    days.log(on, key, days.rng.choice(("void", "expire")), 0, -amount)


def refunded_before_settlement(days: MatchDays) -> None:
    on, amount = days.day(), days.amount()
    days.log(on, days.capture(on, amount), "refund", amount, 0)


def rejected(days: MatchDays) -> None:
    key = days.new_id()
    days.log(days.day(), key, "decision", 0, 0, status="REJECT", is_capture=True)


def awaited(days: MatchDays) -> None:
    key = days.capture(days.day(LAST_DAY - timedelta(days=7)), days.amount())
    days.settle(LAST_DAY, key, days.amount(), status="pending")


def paid_before_the_log_begins(days: MatchDays) -> None:
    on = days.day(FIRST_DAY - _EARLIER, FIRST_DAY - timedelta(days=1))
    days.settle(on, days.new_id(), days.amount())


def given_back_meanwhile(days: MatchDays) -> None:
    """A dispute's credit is no authorization, also where the payment was authorized elsewhere."""
    before = days.day(FIRST_DAY - _EARLIER, FIRST_DAY - timedelta(days=1))
    elsewhere, on, amount = days.new_id(), days.day(), days.amount()
    days.settle(before, elsewhere, amount)
    here = days.capture(on, amount)
    days.settle(on, here, amount)
    for key in (elsewhere, here):
        days.dispute(on, key)
        days.log(LAST_DAY, key, "provisional_credit", amount, 0)
        days.log(LAST_DAY, key, "credit_taken_back", -amount, 0)


def paid_again_after_refund(days: MatchDays) -> None:
    on, amount = days.day(), days.amount()
    first, second = days.capture(on, amount), days.capture(on, amount)
    days.settle(on, first, amount, status="refunded")
    days.settle(on, second, amount, order_id=f"order-{first}")


def inquiry_about_a_failed_payment(days: MatchDays) -> None:
    key = days.new_id()
    days.settle(FIRST_DAY, key, 100, status="failed")
    days.dispute(FIRST_DAY, key, stage="inquiry")


def never_settled(days: MatchDays) -> None:
    on, amount = days.day(FIRST_DAY, LAST_DAY - timedelta(days=8)), days.amount()
    key = days.capture(on, amount)
    days.log(on, key, "refund", amount - 1, 0)
    days.plant(key, "authorized_never_settled")


def never_authorized(days: MatchDays) -> None:
    on, key = days.day(), days.new_id()
    days.settle(on, key, days.amount())
    if days.rng.random() < 0.5:
        days.log(on, key, "decision", 0, 0, status="REJECT", is_capture=True)
    days.plant(key, "settled_never_authorized")


def not_captured(days: MatchDays) -> None:
    on, amount = days.day(FIRST_DAY, LAST_DAY - timedelta(days=1)), days.amount()
    key = days.hold(on, amount)
    days.settle(on, key, amount)
    if days.rng.random() < 0.5:
        days.log(on, key, "void", 0, -amount)
    days.plant(key, "settled_without_capture")


def other_amount(days: MatchDays) -> None:
    on, amount = days.day(), days.amount()
    key = days.capture(on, amount)
    days.settle(on, key, amount + days.rng.choice((-1, 1, 100)))
    days.plant(key, "amount_differs")


def other_currency_and_user(days: MatchDays) -> None:
    on, amount = days.day(), days.amount()
    key = days.capture(on, amount)
    days.settle(on, key, amount, currency="EUR", user_id="somebody-else")
    days.plant(key, "currency_differs", "user_differs")


def settled_twice_under_two_ids(days: MatchDays) -> None:
    on, amount = days.day(FIRST_DAY, LAST_DAY - timedelta(days=1)), days.amount()
    first, second = days.capture(on, amount), days.capture(on, amount)
    days.settle(on, first, amount)
    days.settle(on + timedelta(days=1), second, amount, order_id=f"order-{first}")
    days.plant(second, "settled_twice")


def settled_twice_under_one_id(days: MatchDays) -> None:
    on, amount = days.day(FIRST_DAY, LAST_DAY - timedelta(days=1)), days.amount()
    key = days.capture(on, amount)
    days.settle(on, key, amount)
    days.settle(on + timedelta(days=1), key, amount)
    days.plant(key, "settled_twice")


def settled_late(days: MatchDays) -> None:
    on, amount = days.day(FIRST_DAY, LAST_DAY - timedelta(days=8)), days.amount()
    key = days.capture(on, amount)
    days.settle(days.day(on + timedelta(days=8)), key, amount)
    days.plant(key, "settled_late")


def disputed_never_settled(days: MatchDays) -> None:
    key = days.new_id()
    on = days.day(FIRST_DAY, LAST_DAY - timedelta(days=8))
    if days.rng.random() < 0.5:
        days.settle(on, key, 100, status=days.rng.choice(("failed", "pending")))
    days.dispute(on, key)
    days.dispute(LAST_DAY, key, stage="representment")
    days.plant(key, "disputed_never_settled")


SCENARIOS: Final[tuple[Callable[[MatchDays], None], ...]] = (
    matched,
    captured_in_parts_of_its_hold,
    open_hold,
    released,
    refunded_before_settlement,
    rejected,
    awaited,
    paid_before_the_log_begins,
    given_back_meanwhile,
    paid_again_after_refund,
    inquiry_about_a_failed_payment,
    never_settled,
    never_authorized,
    not_captured,
    other_amount,
    other_currency_and_user,
    settled_twice_under_two_ids,
    settled_twice_under_one_id,
    settled_late,
    disputed_never_settled,
)


def match_days(program: str, seed: int, rounds: int) -> MatchDays:
    """Each scenario that often in random order, between the log's first and last day."""
    days = MatchDays(program, Random(seed))  # noqa: S311 - repeatable on purpose
    for on in (FIRST_DAY, LAST_DAY):
        days.hold(on, 1)
    scenarios = [*SCENARIOS] * rounds
    days.rng.shuffle(scenarios)
    for scenario in scenarios:
        scenario(days)
    return days


def lake_of(programs: list[MatchDays]) -> FakeLake:
    """All programs' rows in one lake, each file with its own intake id."""
    lake, intake_id = FakeLake(), 0
    for days in programs:
        for table, by_day in days.rows.items():
            for on, rows in sorted(by_day.items()):
                intake_id += 1
                origin = {} if table == "transaction_log" else {"intake_id": intake_id}
                numbered = [
                    {**row, **({"row_number": number, **origin} if origin else {})}
                    for number, row in enumerate(rows, 1)
                ]
                lake.write(table, on, str(intake_id), rows_of(table, *numbered))
    return lake
