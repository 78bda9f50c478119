"""A person decides once about what waits, whoever else does at the same time, and it is posted once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from cardops.adapters.postgresql.transactions import one_session
from cardops.rules.provisional.decisions import ImpossibleDecisionError
from cardops.rules.provisional.postings import PostingOutcome
from cardops.rules.provisional.records import DecisionKind, NoticeKind
from cardops.services.provisional.deciding import DecisionRequest, DecisionResult
from tests.factories.disputed_purchases import DISPUTED_ON, DisputeDesk, a_posting
from tests.oracles.ledger_totals import assert_books_add_up

pytestmark = pytest.mark.database

APPROVED, REJECTED, DEFERRED = DecisionKind
TENTH = date(2026, 9, 22)
DAY = timedelta(days=1)
LATE_ON = date(2027, 2, 1)


@pytest.fixture
def desk(module_database_url: str, request: pytest.FixtureRequest) -> Iterator[DisputeDesk]:
    """A program of its own for each test, with a user who has 100.00 and bought for 40.00."""
    with one_session(module_database_url):
        desk = DisputeDesk(module_database_url, f"p{abs(hash(request.node.name))}")
        desk.has_policy()
        desk.has_deposit("ana", 100_00)
        desk.buys("ana", "t-1", 40_00)
        yield desk


def decide(
    desk: DisputeDesk, kind: DecisionKind, on: date, by: str = "ben", **more: Any
) -> DecisionResult:
    return desk.decisions.decide(
        DecisionRequest(desk.key("c-1"), kind, by, "looked at it", **more), on
    )


def credited_then_lowered(desk: DisputeDesk) -> date:
    """40.00 were credited of which 25.00 are still disputed when the merchant loses."""
    desk.told("c-1", "t-1", 40_00)
    desk.post(TENTH)
    desk.told("c-1", "t-1", 25_00, on=TENTH + DAY, status="lost")
    return TENTH + DAY


def test_approved_credit_is_posted_at_once_and_once(desk: DisputeDesk) -> None:
    desk.told("c-1", "t-1", 40_00, on=LATE_ON)
    assert desk.position("c-1").waiting == "notified_late"

    first = decide(desk, APPROVED, LATE_ON)
    again = decide(desk, APPROVED, LATE_ON + DAY, by="eve")

    assert [step.outcome for step in first.posted] == [PostingOutcome.POSTED]
    assert (again.is_repeat, again.decision.decided_by, again.posted) == (True, "ben", [])
    assert desk.postings() == [("c-1", "provisional_credit", 40_00)]
    assert desk.available("ana") == 100_00


def test_decision_that_was_recorded_is_posted_by_the_next_night(desk: DisputeDesk) -> None:
    desk.told("c-1", "t-1", 40_00, on=LATE_ON)
    waiting = desk.position("c-1")
    decide(desk, DEFERRED, LATE_ON, until_on=LATE_ON + DAY)
    deferred = desk.position("c-1").decision
    assert deferred is not None
    # As a command that is killed between the record and the posting leaves it.
    approval = replace(deferred, number=2, kind=APPROVED, amount_minor=40_00, until_on=None)
    assert desk.ledger.decide(waiting.dispute.key, approval)

    desk.post(LATE_ON)

    assert desk.postings() == [("c-1", "provisional_credit", 40_00)]


def test_rejected_credit_waits_no_more_and_is_told(desk: DisputeDesk) -> None:
    desk.told("c-1", "t-1", 40_00, on=LATE_ON)

    decide(desk, REJECTED, LATE_ON)

    position = desk.position("c-1")
    assert (position.step, position.waiting) == (None, None)
    assert [(notice.kind, notice.due_on) for notice in position.notices] == [
        (NoticeKind.RESULT, date(2027, 2, 4))
    ]
    assert desk.post(LATE_ON + 200 * DAY) == []


def test_decision_about_earlier_facts_is_not_followed(desk: DisputeDesk) -> None:
    desk.told("c-1", "t-1", 40_00, on=LATE_ON)
    decide(desk, REJECTED, LATE_ON)

    # The merchant gives the money back after all.
    desk.told("c-1", "t-1", 40_00, on=LATE_ON + DAY, status="lost")

    assert desk.position("c-1").waiting == "notified_late"
    assert decide(desk, APPROVED, LATE_ON + DAY).decision.number == 2
    assert [kind for _, kind, _ in desk.postings()] == ["provisional_credit", "credit_made_final"]


def test_deferral_hides_no_last_day(desk: DisputeDesk) -> None:
    desk.told("c-1", "never", 40_00)
    decide(desk, DEFERRED, DISPUTED_ON, until_on=date(2027, 1, 1))

    position = desk.position("c-1")

    assert [position.needs_person(day) for day in (TENTH - DAY, TENTH)] == [False, True]
    assert position.is_overdue(TENTH + DAY)


def test_second_person_cannot_decide_otherwise_without_saying_so(desk: DisputeDesk) -> None:
    desk.told("c-1", "never", 40_00)
    decide(desk, REJECTED, TENTH)
    desk.reports("never", 40_00, user_id="ana")
    desk.told("c-1", "never", 40_00, stage="inquiry")
    decide(desk, REJECTED, TENTH)

    with pytest.raises(ImpossibleDecisionError, match="ben rejected it on 2026-09-22"):
        decide(desk, APPROVED, TENTH, by="eve")
    with pytest.raises(ImpossibleDecisionError, match="--replace 2"):
        decide(desk, APPROVED, TENTH, by="eve", replaces=1)
    corrected = decide(desk, APPROVED, TENTH, by="eve", replaces=2)

    assert (corrected.decision.number, corrected.decision.decided_by) == (3, "eve")
    assert desk.postings() == [("c-1", "provisional_credit", 40_00)]


def test_too_much_of_a_credit_is_taken_back_after_its_notice(desk: DisputeDesk) -> None:
    on = credited_then_lowered(desk)

    assert decide(desk, REJECTED, on).posted == []
    assert desk.position("c-1").waiting == "notice_not_sent"
    desk.notices("c-1", NoticeKind.TAKING_BACK, on)
    desk.post(on + DAY)
    assert desk.available("ana") == 100_00
    desk.post(on + 2 * DAY)

    assert desk.postings()[1:] == [("c-1", "credit_taken_back", 15_00)]
    assert desk.available("ana") == 85_00
    assert desk.position("c-1").waiting is None
    # What is kept still counts against the purchase.
    desk.told("c-2", "t-1", 40_00)
    desk.post(on + 2 * DAY)
    assert desk.postings()[2:] == [("c-2", "provisional_credit", 15_00)]
    assert_books_add_up(desk.url, may_be_negative=True)


def test_approved_end_leaves_the_user_the_money(desk: DisputeDesk) -> None:
    on = credited_then_lowered(desk)

    decide(desk, APPROVED, on)

    assert desk.postings()[1:] == [("c-1", "credit_made_final", 0)]


def test_refund_after_a_decision_asks_for_another(desk: DisputeDesk) -> None:
    desk.told("c-1", "t-1", 40_00)
    desk.post(TENTH)
    desk.is_refunded("ana", "t-1", 10_00)
    decide(desk, REJECTED, TENTH)
    assert desk.position("c-1").decision is not None

    desk.is_refunded("ana", "t-1", 5_00)

    position = desk.position("c-1")
    assert (position.waiting, position.decision) == ("refunded_already", None)


def test_reopening_is_closed_by_a_person(desk: DisputeDesk) -> None:
    desk.told("c-1", "t-1", 40_00)
    desk.post(TENTH)
    desk.told("c-1", "t-1", 40_00, on=TENTH + DAY, status="won")
    desk.notices("c-1", NoticeKind.TAKING_BACK, TENTH + DAY)
    desk.post(TENTH + 7 * DAY)
    desk.told("c-1", "t-1", 40_00, on=TENTH + 8 * DAY, stage="pre_arbitration")

    with pytest.raises(ImpossibleDecisionError, match="one credit and one end"):
        decide(desk, APPROVED, TENTH + 9 * DAY)
    decide(desk, REJECTED, TENTH + 9 * DAY)

    assert desk.position("c-1").waiting is None


@pytest.mark.parametrize(
    ("told", "asked", "sentence"),
    [
        ({"transaction_id": "never"}, {}, "transaction_unknown"),
        ({"dispute_currency": "EUR"}, {}, "no amount in the currency"),
        ({"dispute_currency": "EUR"}, {"amount_minor": 40_01}, "from 1 to 4000"),
        ({"on": LATE_ON}, {"amount_minor": 0}, "from 1 to 4000"),
        ({}, {}, "Nothing about this dispute waits"),
        ({"on": LATE_ON}, {"replaces": 7}, "not the one that stands"),
    ],
)
def test_impossible_approval_records_nothing(
    desk: DisputeDesk, told: dict[str, Any], asked: dict[str, Any], sentence: str
) -> None:
    desk.told(**{"case": "c-1", "transaction_id": "t-1", "amount": 40_00, **told})

    with pytest.raises(ImpossibleDecisionError, match=sentence):
        decide(desk, APPROVED, TENTH - DAY, **asked)

    assert desk.position("c-1").record.decision is None


def test_regulation_z_lets_nobody_take_back_after_its_last_day(desk: DisputeDesk) -> None:
    desk.has_policy("regulation_z", credit_days=0)
    desk.told("c-1", "t-1", 40_00)
    desk.post(DISPUTED_ON)
    desk.is_refunded("ana", "t-1", 40_00)

    with pytest.raises(ImpossibleDecisionError, match="nothing be taken back after 2026-11-30"):
        decide(desk, REJECTED, date(2026, 12, 1))


@pytest.mark.parametrize("kinds", [(APPROVED, APPROVED), (APPROVED, REJECTED)])
def test_two_persons_at_once_make_one_decision(
    desk: DisputeDesk, kinds: tuple[DecisionKind, DecisionKind]
) -> None:
    desk.told("c-1", "t-1", 40_00, on=LATE_ON)

    def decided(person: int) -> DecisionKind | str:
        try:
            return decide(desk, kinds[person], LATE_ON, by=f"person-{person}").decision.kind
        except ImpossibleDecisionError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(decided, range(2)))

    decision = desk.position("c-1").record.decision
    assert decision is not None
    assert decision.number == 1
    said = [answer for answer in answers if not isinstance(answer, DecisionKind)]
    assert len(said) == len(set(kinds)) - 1
    assert all(" Nothing was recorded" in text or "To correct it" in text or "posted" in text
               or "Nothing about" in text for text in said)  # fmt: skip
    assert len(desk.postings()) == (decision.kind is APPROVED)
    assert_books_add_up(desk.url, may_be_negative=True)


def test_replaced_decision_is_not_posted(desk: DisputeDesk) -> None:
    desk.told("c-1", "t-1", 40_00, on=LATE_ON)
    decide(desk, DEFERRED, LATE_ON, until_on=LATE_ON + DAY)
    deferred = desk.position("c-1").record.decision
    assert deferred is not None
    key = desk.key("c-1")
    # A run has read the approval; before it posts, somebody corrects it.
    for number, kind, amount in ((2, APPROVED, 40_00), (3, REJECTED, None)):
        decision = replace(deferred, number=number, kind=kind, amount_minor=amount, until_on=None)
        assert desk.ledger.decide(key, decision)

    posting = replace(a_posting(desk, amount=40_00, purchase=40_00), decision_number=2)
    found = desk.ledger.post(posting)

    assert found.outcome is PostingOutcome.DECISION_REPLACED
    assert desk.postings() == []


def test_decision_about_what_was_posted_is_not_recorded(desk: DisputeDesk) -> None:
    desk.told("c-1", "t-1", 40_00, on=LATE_ON)
    approved = decide(desk, APPROVED, LATE_ON).decision

    # Read before the posting, and corrected after it.
    too_late = replace(approved, number=2, kind=REJECTED, amount_minor=None)

    assert not desk.ledger.decide(desk.key("c-1"), too_late)
