"""Disputed money given back to users: posted every night, on the first hour of the day it is due.

The daily close of a date runs on the next one, and posts what is due on that: a clock's last day is
then kept. Postings are made once, so a repeated or late close posts only what is still due.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Final

import dagster as dg

from assets.partitions import business_date_of, business_dates, one_date_a_run
from assets.tables import priced_metadata, records_metadata
from cardops.ports import Clock, Lake, Notifier, ProvisionalLedger, ProvisionalPolicies
from cardops.services.provisional.alarms import RUNBOOK, is_done, report, report_missed
from cardops.services.provisional.crediting import Position, PostedStep, ProvisionalCredits
from cardops.services.provisional.snapshot import snapshot_positions

MAX_ROWS_SHOWN: Final = 50
# Each is a sentence that is true where it passes.
POSTED: Final = "disputed_money_due_is_posted"
NOTICES: Final = "no_notice_of_a_dispute_is_overdue"
DEBTS: Final = "no_balance_is_below_zero_after_taking_back"
WAITING: Final = "no_disputed_purchase_waits_beyond_its_clock"


@dg.asset(
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    group_name="control",
    deps=["transactions"],
    check_specs=[
        dg.AssetCheckSpec(name, asset="provisional_credits")
        for name in (POSTED, NOTICES, DEBTS, WAITING)
    ],
    kinds={"postgres", "parquet"},
)
def provisional_credits(
    context: dg.AssetExecutionContext,
    provisional_policies: dg.ResourceParam[ProvisionalPolicies],
    provisional_ledger: dg.ResourceParam[ProvisionalLedger],
    lake: dg.ResourceParam[Lake],
    clock: dg.ResourceParam[Clock],
    notifier: dg.ResourceParam[Notifier],
) -> dg.MaterializeResult:  # type: ignore[type-arg] # with checks Dagster takes no generic
    """Credits given, made final and taken back today, and where each dispute stands after it."""
    service = ProvisionalCredits(provisional_policies, provisional_ledger, lake)
    today = clock.now().date()
    posted = list(service.post_due(today))
    report(posted, notifier)
    found = list(service.positions())
    report_missed(found, today, notifier)
    waiting = [item for item in found if item.waiting]
    day = business_date_of(context)
    snapshot = snapshot_positions(found, lake, day, today)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(snapshot),
            "for_a_person": sum(item.needs_person(today) for item in found),
            "posted_on": str(today),
            "posted": priced_metadata(_totals(posted)),
            "standing": sum(bool(item.record.credit and not item.record.end) for item in found),
            "waiting": dg.MetadataValue.json(dict(Counter(str(item.waiting) for item in waiting))),
            "first_waiting": _table(waiting),
        },
        check_results=[
            _verdict(POSTED, [item for item in found if item.is_due(today)], posted),
            _verdict(NOTICES, [item for item in found if _is_untold(item, today)]),
            _verdict(DEBTS, [item for item in found if item.is_in_debt]),
            _verdict(WAITING, [item for item in found if item.is_overdue(today)]),
        ],
    )


def _verdict(
    check: str, positions: Sequence[Position], posted: Sequence[PostedStep] = ()
) -> dg.AssetCheckResult:
    refused = [step for step in posted if not is_done(step)]
    return dg.AssetCheckResult(
        check_name=check,
        passed=not positions and not refused,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "disputes": len(positions),
            "first_disputes": _table(positions),
            "runbook": RUNBOOK,
        },
    )


def _is_untold(item: Position, today: date) -> bool:
    return any(notice.due_on < today for notice in item.notices)


def _totals(posted: Sequence[PostedStep]) -> list[dict[str, object]]:
    """Minor units by kind and currency."""
    sums: Counter[tuple[str, str]] = Counter()
    for step in posted:
        if is_done(step):
            sums[step.posting.kind, step.posting.currency] += step.posting.amount_minor
    return [
        {"kind": kind, "currency": currency, "amount_minor": minor}
        for (kind, currency), minor in sorted(sums.items())
    ]


def _table(positions: Sequence[Position]) -> dg.TableMetadataValue:
    rows = [
        {
            "program": item.dispute.key.program,
            "network": item.dispute.key.network,
            "case_number": item.dispute.key.case_number,
            "notified_on": str(item.dispute.notified_on),
            "outcome": item.dispute.outcome or "open",
            "waiting": item.waiting or "",
            "notices": ", ".join(f"{notice.kind} by {notice.due_on}" for notice in item.notices),
        }
        for item in positions[:MAX_ROWS_SHOWN]
    ]
    return records_metadata(rows, "program")
