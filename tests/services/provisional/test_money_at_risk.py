"""What would lose money of the program or of its users, were it not seen: late and changed facts."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from cardops.adapters.postgresql.transactions import one_session
from cardops.rules.provisional.records import NoticeKind
from tests.factories.disputed_purchases import DISPUTED_ON, DisputeDesk

pytestmark = pytest.mark.database

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


@pytest.mark.parametrize("later", ["none", "regulation_z"])
def test_credit_keeps_its_policy_when_the_program_changes_it(desk: DisputeDesk, later: str) -> None:
    desk.told("c-1", "t-1", 40_00)
    desk.post(TENTH)

    desk.has_policy(later, since_on=date(2026, 2, 1))

    assert desk.position("c-1").investigated_by == DISPUTED_ON + 90 * DAY
    desk.post(DISPUTED_ON + 90 * DAY)
    assert desk.postings()[1:] == [("c-1", "credit_made_final", 0)]


def test_credit_is_not_forgotten_when_an_earlier_date_arrives(desk: DisputeDesk) -> None:
    desk.told("c-1", "t-1", 40_00)
    desk.post(TENTH)
    # The next report dates the dispute before the program had a policy.
    desk.told("c-1", "t-1", 40_00, on=date(2025, 12, 30))

    desk.post(TENTH + DAY)

    assert desk.postings()[1:] == [("c-1", "credit_made_final", 0)]


def test_lowered_amount_waits_for_a_person(desk: DisputeDesk) -> None:
    desk.told("c-1", "t-1", 40_00)
    desk.post(TENTH)
    desk.told("c-1", "t-1", 25_00, on=TENTH + DAY, status="lost")

    assert desk.post(TENTH + 200 * DAY) == []
    assert desk.position("c-1").waiting == "amount_lowered"


def test_amount_withheld_whole_is_given_when_nobody_decides(desk: DisputeDesk) -> None:
    last_on = DISPUTED_ON + 90 * DAY
    desk.has_policy(withheld_minor=50_00)
    desk.told("c-1", "t-1", 40_00, category="fraud", network="mastercard")

    assert desk.post(last_on - DAY) == []
    desk.post(last_on)

    assert desk.postings() == [
        ("c-1", "provisional_credit", 40_00), ("c-1", "credit_made_final", 0)
    ]  # fmt: skip


@pytest.mark.parametrize("status", ["failed", "pending"])
def test_credit_of_a_payment_that_failed_since_waits(desk: DisputeDesk, status: str) -> None:
    desk.told("c-1", "t-1", 40_00)
    desk.post(TENTH)
    desk.reports("t-1", 40_00, user_id="ana", status=status)
    desk.told("c-1", "t-1", 40_00, on=TENTH + DAY, status="lost")

    assert desk.post(TENTH + 200 * DAY) == []
    assert desk.position("c-1").waiting == "payment_not_settled"


def test_rest_is_not_given_to_a_user_who_did_not_buy(desk: DisputeDesk) -> None:
    desk.has_policy(withheld_minor=15_00)
    desk.has_deposit("bea", 10_00)
    desk.told("c-1", "t-1", 40_00, category="fraud")
    desk.post(TENTH)
    desk.reports("t-1", 40_00, user_id="bea")
    desk.told("c-1", "t-1", 40_00, on=TENTH + DAY, status="lost", category="fraud")

    assert desk.post(TENTH + DAY) == []
    assert desk.position("c-1").waiting == "user_differs"


def test_refund_after_the_end_is_shown(desk: DisputeDesk) -> None:
    desk.told("c-1", "t-1", 40_00, status="lost")
    desk.post(DISPUTED_ON)
    assert desk.position("c-1").waiting is None

    desk.is_refunded("ana", "t-1", 40_00)

    assert desk.position("c-1").waiting == "refunded_after_end"


def test_business_days_know_the_holidays_of_every_year(desk: DisputeDesk) -> None:
    desk.told("c-1", "t-1", 40_00)
    desk.post(TENTH)
    desk.told("c-1", "t-1", 40_00, on=TENTH + DAY, status="won")
    # Years later, on the Friday before Labor Day.
    desk.notices("c-1", NoticeKind.TAKING_BACK, date(2030, 8, 30))

    assert desk.post(date(2030, 9, 3)) == []
    assert len(desk.post(date(2030, 9, 4))) == 1


def test_blocked_user_is_credited(desk: DisputeDesk) -> None:
    desk.blocks("ana")
    desk.told("c-1", "t-1", 40_00)

    desk.post(TENTH)

    assert desk.available("ana") == 100_00
