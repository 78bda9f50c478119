"""Releases expired holds, one process at a time, and reports those that cannot be released.

Belongs here: the turns of the sweeper. Finding the holds is a port's, releasing them an action.
"""

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Sequence
from typing import Final

from authorizer.decisions.batcher import Batcher
from authorizer.decisions.queues import MAX_BATCH
from authorizer.metrics import Metrics
from cardops.ports import ExpiredHolds, Notifier
from cardops.rules.alarms.incidents import Severity
from cardops.rules.authorizations.actions import ActionResponse, ActionResult
from cardops.rules.authorizations.records import OverdueHold

# Two batches: one is decided here while the database works on the other.
PAGE: Final = 2 * MAX_BATCH
# Shorter than the lease (15 s) and than the pause before the next turn.
TURN_SECONDS: Final = 4.0
# A lock of a second is ordinary; one that keeps a hold for a minute is reported.
LOCKED_SECONDS: Final = 60.0
MAX_REMEMBERED: Final = 10_000
RUNBOOK: Final = "docs/runbooks/sweeper-old.md"
INCIDENT: Final = "expired-holds"

# What keeps a hold from being released. Other results need no sweeper: someone else ended the hold.
_STUCK: Final = {
    ActionResult.INCONSISTENT: "contradicts its account",
    ActionResult.UNKNOWN: "has no authorization",
    ActionResult.LOCKED: "belongs to an account that another session has locked",
}

logger = logging.getLogger(__name__)


class Sweeper:
    """One turn after the other; remembers which holds it has reported."""

    def __init__(
        self,
        expired_holds: ExpiredHolds,
        batcher: Batcher,
        metrics: Metrics,
        notifier: Notifier | None = None,
    ) -> None:
        self._expired_holds = expired_holds
        self._batcher = batcher
        self._metrics = metrics
        self._notifier = notifier
        self._holder = f"{os.getpid()}-{secrets.token_hex(8)}"
        # Holds that could not be released, with the time of the first failure.
        self._stuck: dict[OverdueHold, float] = {}
        self._reported: set[OverdueHold] = set()
        # This process or another one, which may have ended, told of holds that were stuck.
        self._may_be_open = True

    async def turn(self) -> int:
        """Release expired holds for a bounded time; returns how many.

        A hold that cannot be released does not keep the others.
        """
        released_count = 0
        page = await self._expired_holds.overdue(None, PAGE)
        if not page:
            await self._report({})
        elif await self._expired_holds.take_lease(self._holder):
            released_count = await self._release_from(page)
        else:
            self._may_be_open = True
        self._metrics.record_sweep()
        return released_count

    async def _release_from(self, page: Sequence[OverdueHold]) -> int:
        released_count = 0
        stuck: dict[OverdueHold, ActionResult] = {}
        ends_at = time.monotonic() + TURN_SECONDS
        while page:
            responses = await self._batcher.expire(page)
            released_count += sum(_is_done(response) for response in responses)
            stuck |= _stuck_among(page, responses)
            is_overloaded = any(_is_undecided(response) for response in responses)
            if is_overloaded or len(page) < PAGE or time.monotonic() >= ends_at:
                break
            page = await self._expired_holds.overdue(page[-1], PAGE)
        await self._report(stuck)
        return released_count

    async def _report(self, stuck: dict[OverdueHold, ActionResult]) -> None:
        """Count the holds, and raise one alarm for those that were not reported before."""
        if not stuck and self._may_be_open and self._notifier is not None:
            self._may_be_open = False
            why = "Every expired hold was released."
            await asyncio.to_thread(self._notifier.resolve, INCIDENT, why)
        now = time.monotonic()
        self._stuck = {hold: self._stuck.get(hold, now) for hold in [*stuck][:MAX_REMEMBERED]}
        self._reported &= stuck.keys()
        self._metrics.set_stuck_holds(len(stuck))
        new = [
            hold
            for hold, since in self._stuck.items()
            if hold not in self._reported
            and (stuck[hold] is not ActionResult.LOCKED or now - since >= LOCKED_SECONDS)
        ]
        if not new:
            return
        self._reported.update(new)
        self._may_be_open = True
        hold = new[0]
        message = (
            f"{len(new)} expired holds cannot be released; their funds stay reserved and all other "
            f"holds are released. For example: the hold of {hold.transaction_id} in program "
            f"{hold.program} {_STUCK[stuck[hold]]}. Look it up as the runbook says."
        )
        logger.warning(message)
        if self._notifier is not None:
            # It may call over the network.
            await asyncio.to_thread(
                self._notifier.notify,
                "Expired holds cannot be released",
                message,
                runbook=RUNBOOK,
                incident=INCIDENT,
                severity=Severity.CRITICAL,
            )


def _is_done(response: ActionResponse) -> bool:
    return response.result is ActionResult.DONE


def _is_undecided(response: ActionResponse) -> bool:
    return response.result is ActionResult.UNDECIDED


def _stuck_among(
    page: Sequence[OverdueHold], responses: Sequence[ActionResponse]
) -> dict[OverdueHold, ActionResult]:
    return {
        hold: response.result
        for hold, response in zip(page, responses, strict=True)
        if response.result in _STUCK
    }
