"""What a worker does beside sending: closes disabled endpoints, forgets old attempts."""

import asyncio
from datetime import timedelta
from typing import Final

from authorizer.metrics import Metrics
from cardops.ports import CallbackOutbox, Clock, Notifier
from cardops.rules.authorizations.decisions import instant_text
from cardops.rules.callbacks.endpoints import Endpoint

MAX_PRUNED: Final = 1_000
RUNBOOK: Final = "docs/runbooks/callbacks.md"


class CallbackUpkeep:
    """Steps for a loop; each returns how much it did."""

    def __init__(
        self,
        outbox: CallbackOutbox,
        clock: Clock,
        *,
        notifier: Notifier | None = None,
        metrics: Metrics | None = None,
        kept_days: int,
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._notifier = notifier
        self._metrics = metrics
        self._kept = timedelta(days=kept_days)

    async def close_disabled(self) -> int:
        """Give up what is owed to endpoints newly disabled, and tell operators of each."""
        closed = await self._outbox.close_disabled(self._clock.now())
        for endpoint in closed:
            if self._metrics is not None:
                self._metrics.endpoint_disabled()
            if self._notifier is not None:
                subject = f"Callbacks of program {endpoint.program}: an endpoint is disabled"
                message = told(endpoint)
                # It may be a call over the network.
                await asyncio.to_thread(self._notifier.notify, subject, message, runbook=RUNBOOK)
        return len(closed)

    async def prune(self) -> int:
        """Forget what is older than the delivery log is kept, a bounded batch a step."""
        return await self._outbox.prune(self._clock.now() - self._kept, MAX_PRUNED)


def told(endpoint: Endpoint) -> str:
    """What an operator reads of a disabled endpoint."""
    return (
        f"{endpoint.endpoint} of program {endpoint.program} is disabled. "
        f"{endpoint.disabled_because} It failed {endpoint.failure_count} times since "
        f"{instant_text(endpoint.failing_since)}; the last time: {endpoint.last_error} "
        "What was owed to it is dead, and so is what will be. When the partner has mended it: "
        f"`cardops callbacks enable {endpoint.endpoint} --program {endpoint.program}`, then "
        "`cardops callbacks replay --since …`."
    )
