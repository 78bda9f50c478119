"""The nightly look for accepted rows of disputes that are in no file, and alarms of those nobody sees to.

Belongs here: what counts as seen to. Finding the rows is in waiting_disputes.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cardops.ports import Notifier
from cardops.rules.alarms.incidents import Severity
from cardops.rules.chargebacks.filing import BatchAccount, WaitingDispute, WaitReason
from cardops.services.chargebacks.waiting_disputes import WaitingDisputes

RUNBOOK: Final = "docs/runbooks/waiting-disputes.md"
STUCK: Final = "disputes-in-no-file"
# An incident's key before the batch.
UNBALANCED: Final = "batch-rows:"
# Files are made within minutes of their batch; whatever takes longer failed.
MAX_WAIT: Final = timedelta(hours=12)
# Older batches were added up on so many nights.
SWEPT: Final = timedelta(days=45)
# A policy holds these, and a person releases them.
HELD: Final = frozenset(
    {
        WaitReason.REFUNDED_ALREADY,
        WaitReason.DUPLICATE_CASE,
        WaitReason.FAILED_PAYMENT,
        WaitReason.REJECTED,
    }
)


@dataclass(frozen=True, slots=True)
class SweptDisputes:
    """What waits, what of it waits too long, and batches of which rows are nowhere."""

    waiting: Sequence[WaitingDispute]
    stuck: Sequence[WaitingDispute]
    missing: Sequence[BatchAccount]


def sweep(waiting: WaitingDisputes, notifier: Notifier, now: datetime) -> SweptDisputes:
    """Look through every batch; one alarm each of rows that are stuck and of rows that are nowhere."""
    rows = waiting.rows()
    stuck = [row for row in rows if row.reason not in HELD and now - row.since > MAX_WAIT]
    found = SweptDisputes(rows, stuck, waiting.missing(now - SWEPT))
    if stuck:
        reasons = ", ".join(f"{count} {name}" for name, count in sorted(_reasons(stuck).items()))
        notifier.notify(
            f"{len(stuck)} disputes are in no chargeback file",
            f"{len(stuck)} accepted rows were sent to no card company ({reasons}), the first since "
            f"{stuck[0].since:%Y-%m-%d %H:%M} UTC. Their deadlines run: see which with "
            "`cardops deliveries waiting`.",
            runbook=RUNBOOK,
            incident=STUCK,
        )
    else:
        notifier.resolve(STUCK, "No dispute waits too long now.")
    for account in found.missing:
        notifier.notify(
            f"The rows of chargeback batch {account.batch_id} do not add up",
            f"{account.accepted} rows were accepted and {account.carried} released into it; its "
            f"files account for {account.made}, and {account.waiting} wait: {account.missing} are "
            "missing (fewer than none: sent twice).",
            runbook=RUNBOOK,
            incident=f"{UNBALANCED}{account.batch_id}",
            severity=Severity.CRITICAL,
        )
    still = {f"{UNBALANCED}{account.batch_id}" for account in found.missing}
    notifier.resolve_except(UNBALANCED, still, "The rows of the batch add up now.")
    return found


def _reasons(rows: Sequence[WaitingDispute]) -> Counter[str]:
    return Counter(str(row.reason) for row in rows)
