"""What a user must be told of a disputed purchase, and by when."""

from dataclasses import replace
from datetime import date

import pytest

from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.provisional.clocks import BusinessDays
from cardops.rules.provisional.disputes import honoured_until
from cardops.rules.provisional.notices import pending_notices
from cardops.rules.provisional.policies import PolicyName, ProvisionalPolicy, completed
from cardops.rules.provisional.records import (
    CreditRecord,
    DisputeState,
    NoticeKind,
    Posted,
    PostingKind,
    Purchase,
)
from cardops.rules.provisional.steps import Terms
from cardops.services.intake.holiday_dates import holiday_dates

TOLD_ON, GIVEN_ON, WON_ON = date(2026, 9, 8), date(2026, 9, 22), date(2026, 9, 24)
OPEN = DisputeState(
    DisputeKey("default", "mastercard", "c-1"), "t-1", TOLD_ON, is_inquiry=False, outcome=None,
    ended_on=None, amount_minor=40_00, currency="USD", reason_category=None,
)  # fmt: skip
WON = replace(OPEN, outcome="won", ended_on=WON_ON)
LOST = replace(OPEN, outcome="lost", ended_on=WON_ON)
PURCHASE = Purchase("ana", 40_00, "USD", "completed", date(2026, 9, 1))
CREDIT = Posted(PostingKind.CREDIT, 40_00, GIVEN_ON)
FINAL = Posted(PostingKind.FINAL, 0, WON_ON)
TAKEN_BACK = Posted(PostingKind.TAKEN_BACK, 40_00, date(2026, 9, 28))


def terms_of(name: PolicyName, **more: int) -> Terms:
    policy = completed(ProvisionalPolicy("default", name, date(2026, 1, 1), "ana", **more))
    assert policy.name.preset is not None
    return Terms(policy, policy.name.preset, BusinessDays(holiday_dates("XFED", (2026, 2027))))


E, Z = terms_of(PolicyName.REGULATION_E), terms_of(PolicyName.REGULATION_Z)


@pytest.mark.parametrize(
    ("terms", "dispute", "record", "expected"),
    [
        (E, OPEN, CreditRecord(), []),
        (E, OPEN, CreditRecord(CREDIT), [("credit", date(2026, 9, 24))]),
        (E, WON, CreditRecord(), [("result", date(2026, 9, 29))]),
        (E, LOST, CreditRecord(CREDIT, FINAL, {NoticeKind.CREDIT: GIVEN_ON}),
         [("result", date(2026, 9, 29))]),
        (E, WON, CreditRecord(CREDIT, None, {NoticeKind.CREDIT: GIVEN_ON}),
         [("taking_back", date(2026, 9, 29))]),
        # Told before the dispute ended: of an earlier end.
        (E, WON, CreditRecord(CREDIT, None, {NoticeKind.CREDIT: GIVEN_ON,
                                              NoticeKind.TAKING_BACK: date(2026, 9, 23)}),
         [("taking_back", date(2026, 9, 29))]),
        (E, WON, CreditRecord(CREDIT, TAKEN_BACK, {NoticeKind.CREDIT: GIVEN_ON,
                                                    NoticeKind.TAKING_BACK: WON_ON}), []),
        (E, WON, CreditRecord(CREDIT, FINAL, {NoticeKind.CREDIT: GIVEN_ON}),
         [("result", date(2026, 9, 29))]),
        (Z, OPEN, CreditRecord(), [("acknowledgement", date(2026, 10, 8))]),
        # Resolved within the thirty days: the result is the acknowledgement.
        (Z, LOST, CreditRecord(), [("result", date(2026, 11, 30))]),
        (E, replace(OPEN, is_inquiry=True), CreditRecord(), []),
    ],
)  # fmt: skip
def test_pending_notices_have_their_last_day(
    terms: Terms,
    dispute: DisputeState,
    record: CreditRecord,
    expected: list[tuple[str, date]],
) -> None:
    found = [(str(n.kind), n.due_on) for n in pending_notices(dispute, PURCHASE, record, terms)]

    assert found == expected


def test_payments_are_honoured_unless_the_notice_was_long_before() -> None:
    record = CreditRecord(CREDIT, TAKEN_BACK, {NoticeKind.TAKING_BACK: WON_ON})

    assert honoured_until(WON, record, E) == date(2026, 10, 1)
    assert honoured_until(WON, record, terms_of(PolicyName.REGULATION_E, notice_days=5)) is None
    assert honoured_until(WON, CreditRecord(CREDIT, FINAL, record.notices), E) is None
