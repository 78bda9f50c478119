"""Choose the undelivered chargeback files to deliver in another run, and give up the hopeless ones.

Belongs here: going through the ledger. Files that failed or may have been collected wait for an
operator's word; no run is requested for them.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cardops.ports import Breakers, DeliveryLedger, Notifier
from cardops.rules.deliveries.breakers import Breaker, BreakerState
from cardops.rules.deliveries.records import UNDELIVERED, ChargebackFileRecord
from cardops.rules.deliveries.retries import (
    MAX_FILES_A_TICK,
    MAX_RETRIES,
    MAX_RUNS_A_TICK,
    RetryCount,
)
from cardops.rules.deliveries.troubles import RUNBOOK
from cardops.services.deliveries.paused_alarms import PausedAlarms, incident_of_file

# Batch and network of a file.
FileKey = tuple[str, str]
_STATES: Final = sorted(state.value for state in UNDELIVERED)


@dataclass(slots=True)
class RetryPlan:
    """Files to deliver now, and what to remember of every undelivered one."""

    undelivered: int = 0
    to_deliver: list[FileKey] = field(default_factory=list)
    counts: dict[FileKey, RetryCount] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RetryService:
    """Plans the retries of undelivered files."""

    ledger: DeliveryLedger
    notifier: Notifier
    breakers: Breakers

    def plan(
        self,
        now: datetime,
        *,
        counts: Mapping[FileKey, RetryCount],
        busy_batches: AbstractSet[str],
    ) -> RetryPlan:
        """Which files to deliver now. `counts` is what the last plan remembered.

        Files of `busy_batches` are left to the run that works on them. Of a destination that keeps
        failing, one file tries when its pause is over and the others wait; once it recovered, all
        are due. Alarms are raised for a file that had all its retries, and for a destination whose
        alarm was not raised by the process that found it failing.
        """
        PausedAlarms(self.breakers, self.notifier).raise_due(now)
        breakers = dict(self.breakers.all())
        # The ledger lists the newest first; the oldest has the nearest deadline.
        files = self.ledger.all(_STATES)[::-1]
        plan = RetryPlan(undelivered=len(files))
        for record in files[:MAX_FILES_A_TICK]:
            key = (record.batch_id, record.network)
            count = counts.get(key, RetryCount(0, now))
            is_full = len(plan.to_deliver) >= MAX_RUNS_A_TICK
            breaker = breakers.get(record.destination, Breaker())
            may_try = breaker.state(now) is not BreakerState.OPEN
            is_due = count.is_due(now) or _has_recovered_since(breaker, count)
            if record.batch_id in busy_batches or is_full or not (may_try and is_due):
                plan.counts[key] = count
                continue
            plan.counts[key] = count.next(now)
            if not breaker.is_closed:
                breakers[record.destination] = breaker.on_trial(now)
            if count.is_exhausted:
                self._give_up(record)
            else:
                plan.to_deliver.append(key)
        return plan

    def _give_up(self, record: ChargebackFileRecord) -> None:
        self.notifier.notify(
            f"Chargeback file {record.file_name} is no longer retried automatically",
            f"It could not be delivered to {record.destination} in {MAX_RETRIES} runs over days "
            f"({record.last_error or 'no error is on record'}); once the cause is fixed, "
            f"`cardops deliveries retry {record.batch_id} {record.network}` delivers it.",
            runbook=RUNBOOK,
            incident=incident_of_file(record),
        )


def _has_recovered_since(breaker: Breaker, count: RetryCount) -> bool:
    """Whether the destination works again since the file was last tried."""
    at = breaker.recovered_at
    return at is not None and at > count.last_at and not count.is_given_up
