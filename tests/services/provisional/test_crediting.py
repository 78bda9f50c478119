"""Disputed money is given back, made final and taken back by its policy, once each."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from cardops.adapters.postgresql.transactions import one_session
from cardops.rules.provisional.records import NoticeKind
from tests.factories.disputed_purchases import BOUGHT_ON, DISPUTED_ON, DisputeDesk
from tests.oracles.ledger_totals import assert_books_add_up

pytestmark = pytest.mark.database

# Ten business days after Tuesday, 2026-09-08.
TENTH = date(2026, 9, 22)
DAY = timedelta(days=1)


@pytest.fixture
def desk(module_database_url: str, request: pytest.FixtureRequest) -> Iterator[DisputeDesk]:
    """A program of its own for each test, with a user who has 100.00 and bought for 40.00."""
    with one_session(module_database_url):
        desk = DisputeDesk(module_database_url, f"p{abs(hash(request.node.name))}")
        desk.has_policy()
        desk.has_deposit("ana", 100_00)
        desk.buys("ana", "t-1", 40_00)
        yield desk


def test_credit_is_given_on_the_tenth_business_day(desk: DisputeDesk) -> None:
    desk.told("c-1", "t-1", 40_00)

    assert desk.post(TENTH - DAY) == []
    assert len(desk.post(TENTH)) == 1

    assert desk.postings() == [("c-1", "provisional_credit", 40_00)]
    assert desk.available("ana") == 100_00
    assert desk.post(TENTH) == [], "the credit was given twice"
    assert_books_add_up(desk.url, may_be_negative=True)


def test_credit_is_final_when_the_merchant_loses(desk: DisputeDesk) -> None:
    desk.told("c-1", "t-1", 40_00)
    desk.post(TENTH)
    desk.told("c-1", "t-1", 40_00, on=TENTH + DAY, status="lost")

    desk.post(TENTH + DAY)

    assert desk.postings()[1:] == [("c-1", "credit_made_final", 0)]
    assert desk.available("ana") == 100_00


def test_credit_is_taken_back_two_business_days_after_its_notice(desk: DisputeDesk) -> None:
    won = TENTH + 2 * DAY
    desk.told("c-1", "t-1", 40_00)
    desk.post(TENTH)
    desk.told("c-1", "t-1", 40_00, on=won, status="won")

    assert desk.post(won + 9 * DAY) == []
    assert desk.position("c-1").waiting == "notice_not_sent"
    desk.notices("c-1", NoticeKind.TAKING_BACK, won)
    # Thursday; Friday and Monday are the two business days.
    assert desk.post(won + 3 * DAY) == []
    desk.post(won + 4 * DAY)

    assert desk.postings()[1:] == [("c-1", "credit_taken_back", 40_00)]
    assert desk.available("ana") == 60_00
    assert desk.position("c-1").honoured_until == date(2026, 10, 1)


def test_taking_back_spent_money_leaves_a_debt_that_is_told(desk: DisputeDesk) -> None:
    desk.told("c-1", "t-1", 40_00)
    desk.post(TENTH)
    desk.spends("ana", "t-2", 90_00)
    desk.told("c-1", "t-1", 40_00, on=TENTH + DAY, status="won")
    desk.notices("c-1", NoticeKind.TAKING_BACK, TENTH + DAY)

    (step,) = desk.post(TENTH + 7 * DAY)

    assert (step.is_below_zero, step.available_minor) == (True, -30_00)
    assert desk.position("c-1").is_in_debt
    assert_books_add_up(desk.url, may_be_negative=True)


def test_dispute_lost_by_the_merchant_at_once_is_credited_and_final(desk: DisputeDesk) -> None:
    desk.told("c-1", "t-1", 40_00, status="accepted")

    desk.post(DISPUTED_ON)

    assert [kind for _, kind, _ in desk.postings()] == ["provisional_credit", "credit_made_final"]
    assert desk.available("ana") == 100_00


def test_dispute_won_by_the_merchant_at_once_posts_nothing(desk: DisputeDesk) -> None:
    desk.told("c-1", "t-1", 40_00)
    desk.told("c-1", "t-1", 40_00, on=DISPUTED_ON + DAY, status="won")

    assert desk.post(TENTH + 200 * DAY) == []
    assert [notice.kind for notice in desk.position("c-1").notices] == [NoticeKind.RESULT]


def test_undecided_credit_is_final_after_ninety_days(desk: DisputeDesk) -> None:
    last_on = DISPUTED_ON + 90 * DAY
    desk.told("c-1", "t-1", 40_00)
    desk.post(TENTH)

    assert desk.post(last_on - DAY) == []
    desk.post(last_on)
    desk.told("c-1", "t-1", 40_00, on=last_on + DAY, status="won")

    assert desk.post(last_on + 30 * DAY) == []
    assert [kind for _, kind, _ in desk.postings()] == ["provisional_credit", "credit_made_final"]


def test_bank_transfer_is_final_after_forty_five_days(desk: DisputeDesk) -> None:
    desk.buys("ana", "t-2", 5_00, payment_method="Bank transfer")
    desk.told("c-1", "t-2", 5_00)
    desk.post(TENTH)

    desk.post(DISPUTED_ON + 45 * DAY)

    assert desk.postings()[-1] == ("c-1", "credit_made_final", 0)


def test_new_account_has_twenty_business_days(desk: DisputeDesk) -> None:
    desk.has_deposit("bea", 50_00, on=BOUGHT_ON - 10 * DAY)
    desk.buys("bea", "t-2", 20_00)
    desk.told("c-1", "t-2", 20_00)

    # Columbus Day is none of them.
    assert desk.position("c-1").credit_last_on == date(2026, 10, 6)
    assert desk.post(TENTH) == []


def test_unauthorized_visa_purchase_is_credited_within_five_business_days(
    desk: DisputeDesk,
) -> None:
    desk.told("c-1", "t-1", 40_00, category="fraud")
    desk.told("c-2", "t-1", 40_00, category="fraud", network="mastercard")

    assert desk.position("c-1").credit_last_on == date(2026, 9, 15)
    others = desk.service.positions(desk.program)
    assert {item.dispute.key.network: item.credit_last_on for item in others} == {
        "visa": date(2026, 9, 15),
        "mastercard": TENTH,
    }


def test_withheld_dollars_are_given_with_the_end(desk: DisputeDesk) -> None:
    desk.has_policy(withheld_minor=15_00)
    desk.told("c-1", "t-1", 40_00, category="fraud")
    desk.post(TENTH)
    assert desk.available("ana") == 85_00
    desk.told("c-1", "t-1", 40_00, on=TENTH + DAY, status="lost", category="fraud")

    desk.post(TENTH + DAY)

    assert [amount for *_, amount in desk.postings()] == [25_00, 15_00]
    assert desk.available("ana") == 100_00


def test_partial_disputes_never_give_back_more_than_the_purchase(desk: DisputeDesk) -> None:
    for case, amount in (("c-1", 15_00), ("c-2", 20_00), ("c-3", 30_00)):
        desk.told(case, "t-1", amount)

    desk.post(TENTH)

    assert sorted(amount for *_, amount in desk.postings()) == [5_00, 15_00, 20_00]
    desk.told("c-4", "t-1", 1_00)
    assert desk.position("c-4").waiting == "purchase_given_back"


def test_reopened_dispute_is_never_credited_twice(desk: DisputeDesk) -> None:
    desk.told("c-1", "t-1", 40_00)
    desk.post(TENTH)
    desk.told("c-1", "t-1", 40_00, on=TENTH + DAY, status="won")
    desk.notices("c-1", NoticeKind.TAKING_BACK, TENTH + DAY)
    desk.post(TENTH + 7 * DAY)
    desk.told("c-1", "t-1", 40_00, on=TENTH + 8 * DAY, stage="pre_arbitration")

    assert desk.post(TENTH + 200 * DAY) == []
    assert desk.position("c-1").waiting == "reopened_after_taking_back"
    assert desk.available("ana") == 60_00


def test_reopening_before_taking_back_asks_for_another_notice(desk: DisputeDesk) -> None:
    desk.told("c-1", "t-1", 40_00)
    desk.post(TENTH)
    desk.told("c-1", "t-1", 40_00, on=TENTH + DAY, status="won")
    desk.notices("c-1", NoticeKind.TAKING_BACK, TENTH + DAY)
    desk.told("c-1", "t-1", 40_00, on=TENTH + 2 * DAY)

    assert desk.post(TENTH + 9 * DAY) == []
    desk.told("c-1", "t-1", 40_00, on=TENTH + 9 * DAY, status="won")

    assert desk.position("c-1").waiting == "notice_not_sent"


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        ({"transaction_id": "never"}, "transaction_unknown"),
        ({"stage": "inquiry"}, "inquiry"),
        ({"dispute_currency": "EUR"}, "currency_differs"),
        ({"amount": -40_00}, "amount_unknown"),
        ({"status": "resolved"}, "outcome_unknown"),
        ({"on": date(2027, 2, 1)}, "notified_late"),
    ],
)
def test_dispute_that_cannot_be_credited_waits_with_its_reason(
    desk: DisputeDesk, report: dict[str, object], reason: str
) -> None:
    told = {"case": "c-1", "transaction_id": "t-1", "amount": 40_00, **report}
    desk.told(**told)  # type: ignore[arg-type] # the test's own names

    assert desk.post(date(2028, 1, 1)) == []
    assert desk.position("c-1").waiting == reason


@pytest.mark.parametrize(
    ("status", "user", "reason"),
    [
        ("failed", "ana", "payment_not_settled"),
        ("refunded", "ana", "refunded_already"),
        ("completed", "stranger", "account_unknown"),
        ("completed", None, "user_unknown"),
    ],
)
def test_purchase_that_cannot_be_given_back_waits_with_its_reason(
    desk: DisputeDesk, status: str, user: str | None, reason: str
) -> None:
    desk.reports("t-2", 10_00, user_id=user, status=status)
    desk.told("c-1", "t-2", 10_00)

    assert desk.post(date(2028, 1, 1)) == []
    assert desk.position("c-1").waiting == reason


def test_purchase_refunded_in_the_ledger_is_not_given_back_again(desk: DisputeDesk) -> None:
    desk.is_refunded("ana", "t-1", 30_00)
    desk.told("c-1", "t-1", 40_00)

    desk.post(TENTH)

    assert desk.postings() == [("c-1", "provisional_credit", 10_00)]
    assert desk.available("ana") == 100_00


def test_refund_after_the_credit_keeps_it_from_being_final(desk: DisputeDesk) -> None:
    desk.told("c-1", "t-1", 40_00)
    desk.post(TENTH)
    desk.is_refunded("ana", "t-1", 40_00)
    desk.told("c-1", "t-1", 40_00, on=TENTH + DAY, status="lost")

    assert desk.post(TENTH + 200 * DAY) == []
    assert desk.position("c-1").waiting == "refunded_already"


def test_user_of_another_decision_is_not_credited(desk: DisputeDesk) -> None:
    desk.has_deposit("bea", 50_00)
    desk.reports("t-1", 40_00, user_id="bea")
    desk.told("c-1", "t-1", 40_00)

    assert desk.position("c-1").waiting == "user_differs"


def test_purchase_authorized_elsewhere_is_given_back_to_its_user(desk: DisputeDesk) -> None:
    desk.orders("ana", "o-9")
    desk.reports("t-9", 12_00, user_id=None, order_id="o-9")
    desk.told("c-1", "t-9", 12_00)

    desk.post(TENTH)

    assert desk.postings() == [("c-1", "provisional_credit", 12_00)]


def test_policy_holds_for_disputes_notified_since_its_date(desk: DisputeDesk) -> None:
    desk.has_policy("none", since_on=DISPUTED_ON)
    desk.told("c-1", "t-1", 20_00, on=DISPUTED_ON - DAY)
    desk.told("c-2", "t-1", 20_00)

    desk.post(date(2026, 10, 30))

    assert {case for case, *_ in desk.postings()} == {"c-1"}


def test_program_without_a_policy_gives_nothing_back(module_database_url: str) -> None:
    desk = DisputeDesk(module_database_url, "plain")
    desk.has_deposit("ana", 100_00)
    desk.buys("ana", "t-1", 40_00)
    desk.told("c-1", "t-1", 40_00)

    assert desk.post(date(2028, 1, 1)) == []


def test_regulation_z_counts_two_billing_cycles_and_at_most_ninety_days(desk: DisputeDesk) -> None:
    desk.has_policy("regulation_z")
    desk.told("c-1", "t-1", 20_00)
    desk.told("c-2", "t-1", 20_00, on=date(2026, 9, 30), network="amex")

    found = {item.dispute.key.case_number: item for item in desk.service.positions(desk.program)}
    assert found["c-1"].investigated_by == date(2026, 11, 30)
    assert found["c-2"].investigated_by == date(2026, 11, 30)
    assert found["c-1"].credit_last_on == DISPUTED_ON + 30 * DAY
    assert [(notice.kind, notice.due_on) for notice in found["c-1"].notices] == [
        (NoticeKind.ACKNOWLEDGEMENT, DISPUTED_ON + 30 * DAY)
    ]


@pytest.mark.parametrize(
    ("sent_after", "end"), [(2, "credit_taken_back"), (90, "credit_made_final")]
)
def test_regulation_z_takes_nothing_back_after_its_last_day(
    desk: DisputeDesk, sent_after: int, end: str
) -> None:
    desk.has_policy("regulation_z", credit_days=0)
    desk.told("c-1", "t-1", 40_00)
    desk.post(DISPUTED_ON)
    desk.told("c-1", "t-1", 40_00, on=DISPUTED_ON + DAY, status="won")
    desk.notices("c-1", NoticeKind.TAKING_BACK, DISPUTED_ON + sent_after * DAY)

    desk.post(DISPUTED_ON + 100 * DAY)

    assert [kind for _, kind, _ in desk.postings()] == ["provisional_credit", end]
