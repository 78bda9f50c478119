"""Where each dispute under a policy stood at a close, as the lake has it for the marts.

Belongs here: the columns of one dispute. They are those of cardops.contracts.lake.tables.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import polars as pl

from cardops.contracts.lake.tables import PROVISIONAL_CREDITS, SNAPSHOT
from cardops.ports import Lake
from cardops.rules.provisional.records import PostingKind
from cardops.services.provisional.crediting import Position

TABLE: Final = "provisional_credits"
_STATES: Final = {
    None: "standing",
    PostingKind.FINAL: "made_final",
    PostingKind.TAKEN_BACK: "taken_back",
}


def snapshot_positions(
    positions: Sequence[Position], lake: Lake, business_date: date, as_of_on: date
) -> pl.DataFrame:
    """Write a row for each dispute; the rows that were written.

    They are those of `as_of_on`: made again for an earlier date, they say what is known by then.
    """
    rows = [_row(item, as_of_on) for item in positions]
    frame = pl.DataFrame(rows, schema=PROVISIONAL_CREDITS)
    lake.write(TABLE, business_date, SNAPSHOT, frame)
    return frame


def _row(item: Position, as_of_on: date) -> dict[str, Any]:
    dispute, purchase, record = item.dispute, item.purchase, item.record
    credit, end = record.credit, record.end
    notice = min(item.notices, key=lambda owed: owed.due_on, default=None)
    has_clock = item.has_clock
    return {
        "program": dispute.key.program,
        "network": dispute.key.network,
        "case_number": dispute.key.case_number,
        "transaction_id": dispute.transaction_id,
        "user_id": purchase.user_id if purchase else None,
        "policy": str(item.policy.name),
        "state": _STATES[end.kind if end else None] if credit else "not_given",
        "waiting_reason": item.waiting,
        "outcome": dispute.outcome,
        "decision": item.decision.kind if item.decision else None,
        "dispute_amount_minor": dispute.amount_minor,
        "dispute_currency": dispute.currency,
        "credit_amount_minor": credit.amount_minor if credit else None,
        "kept_amount_minor": record.kept_minor if credit else None,
        "credit_currency": purchase.currency if credit and purchase else None,
        "notified_on": dispute.notified_on,
        "credit_due_on": item.credit_last_on if has_clock else None,
        "credited_on": credit.posted_on if credit else None,
        "final_on": item.investigated_by if has_clock else None,
        "ended_on": end.posted_on if end else None,
        "notice": notice.kind if notice else None,
        "notice_due_on": notice.due_on if notice else None,
        "deferred_until": item.decision.until_on if item.decision else None,
        "needs_person": item.needs_person(as_of_on),
        "missed_clock": next(iter(item.missed_clocks(as_of_on)), None),
        "as_of_on": as_of_on,
    }
