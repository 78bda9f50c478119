"""Alarms of rows whose reference did not come in time, once for each set of rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cardops.ports import Clock, Notifier, WaitingList
from cardops.rules.intake.waiting import OverdueRows

RUNBOOK: Final = "docs/runbooks/quarantine.md"


@dataclass(frozen=True, slots=True)
class OverdueRowsService:
    """Tells an operator of rows that wait longer than the deadline."""

    waiting_list: WaitingList
    clock: Clock

    def report(self, notifier: Notifier) -> Sequence[OverdueRows]:
        """One alarm a file; rows that pass the deadline later are reported then."""
        now = self.clock.now()
        found = self.waiting_list.overdue(now)
        for overdue in found:
            notifier.notify(
                f"{overdue.row_count} rows of intake file {overdue.intake_id} wait too long",
                f"{overdue.row_count} rows of {overdue.file} wait for transactions that have not "
                f"arrived, the first since {overdue.waiting_since:%Y-%m-%d %H:%M} UTC, longer than "
                f"{self.waiting_list.deadline.days} days. A chargeback among them may miss its "
                "deadline: see which ids with `cardops quarantine waiting`, and ask the sender for "
                "the transactions or for rows that name network and currency.",
                runbook=RUNBOOK,
                incident=f"waiting-rows:{overdue.intake_id}",
            )
            self.waiting_list.reported(overdue, now)
        return found
