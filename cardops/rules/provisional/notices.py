"""What the user must be told of a disputed purchase, and by when.

Belongs here: which notices are pending. Cardops lists them; who writes to users records what was sent.
"""

from collections.abc import Iterator
from datetime import date

from cardops.rules.provisional.clocks import ClockName, Preset
from cardops.rules.provisional.disputes import investigated_by
from cardops.rules.provisional.records import (
    CreditRecord,
    DecidedStep,
    Decision,
    DecisionKind,
    DisputeState,
    Favour,
    NoticeKind,
    PostingKind,
    Purchase,
)
from cardops.rules.provisional.steps import OwedNotice, Terms


def pending_notices(
    dispute: DisputeState,
    purchase: Purchase | None,
    record: CreditRecord,
    terms: Terms,
    decision: Decision | None = None,
) -> Iterator[OwedNotice]:
    """The notices that nobody has recorded as sent. `decision`: the one that stands."""
    if dispute.is_inquiry and record.credit is None:
        return
    refusal = _of_refusal(dispute, purchase, terms, decision)
    for notice, since in (
        *_of_the_beginning(dispute, record, terms),
        *([refusal] if refusal else _of_the_end(dispute, purchase, record, terms)),
    ):
        sent_on = record.notices.get(notice.kind)
        # One that was sent before its reason is of an earlier end of a dispute that was reopened.
        if sent_on is None or sent_on < since:
            yield notice


def _of_refusal(
    dispute: DisputeState, purchase: Purchase | None, terms: Terms, decision: Decision | None
) -> tuple[OwedNotice, date] | None:
    """What a rejection must be followed by: the result, or the notice before taking back."""
    if decision is None or decision.kind is not DecisionKind.REJECTED:
        return None
    if decision.facts.step is DecidedStep.AFTER:
        return None
    decided_on = decision.decided_on
    told_by = terms.last_day(ClockName.NOTICE_OF_RESULT, dispute, decided_on)
    last_on = investigated_by(dispute, purchase, terms)
    told_by = last_on if terms.preset is Preset.REGULATION_Z else told_by
    is_credit = decision.facts.step is DecidedStep.CREDIT
    kind = NoticeKind.RESULT if is_credit else NoticeKind.TAKING_BACK
    return None if told_by is None else (OwedNotice(kind, told_by), decided_on)


def _of_the_beginning(
    dispute: DisputeState, record: CreditRecord, terms: Terms
) -> Iterator[tuple[OwedNotice, date]]:
    """Each with the day from which a notice counts."""
    acknowledged_by = terms.last_day(ClockName.ACKNOWLEDGEMENT, dispute, dispute.notified_on)
    is_resolved = (
        acknowledged_by is not None
        and dispute.ended_on is not None
        and dispute.ended_on <= acknowledged_by
    )
    if acknowledged_by is not None and not is_resolved:
        yield OwedNotice(NoticeKind.ACKNOWLEDGEMENT, acknowledged_by), dispute.notified_on
    if record.credit is not None:
        given_on = record.credit.posted_on
        told_by = terms.last_day(ClockName.NOTICE_OF_CREDIT, dispute, given_on)
        if told_by is not None:
            yield OwedNotice(NoticeKind.CREDIT, told_by), given_on


def _of_the_end(
    dispute: DisputeState, purchase: Purchase | None, record: CreditRecord, terms: Terms
) -> Iterator[tuple[OwedNotice, date]]:
    """The result; where the credit is to be taken back, that notice is the result's."""
    last_on = investigated_by(dispute, purchase, terms)
    ended_on = dispute.ended_on if dispute.favour else None
    final_on = record.end.posted_on if record.end and record.end.kind is PostingKind.FINAL else None
    ended_on = ended_on or final_on
    if ended_on is None:
        return
    told_by = terms.last_day(ClockName.NOTICE_OF_RESULT, dispute, ended_on)
    if terms.preset is Preset.REGULATION_Z:
        told_by = last_on
    if told_by is None:
        return
    is_final = final_on is not None or (last_on is not None and ended_on > last_on)
    is_to_take_back = record.credit is not None and dispute.favour is Favour.MERCHANT
    kind = NoticeKind.TAKING_BACK if is_to_take_back and not is_final else NoticeKind.RESULT
    yield OwedNotice(kind, told_by), ended_on
