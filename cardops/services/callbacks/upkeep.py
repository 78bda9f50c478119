"""Upkeep of callbacks: closes disabled endpoints, forgets endpoints that recovered."""

import asyncio
from datetime import timedelta
from typing import Final

from cardops.rules.authorizations.decisions import instant_text
from cardops.rules.callbacks.endpoints import Endpoint
from cardops.services.callbacks.callback_ports import CallbackPorts

MAX_PRUNED: Final = 1_000
RUNBOOK: Final = "docs/runbooks/callbacks.md"
# An incident's key before program and endpoint.
DISABLED: Final = "callback-endpoint:"


class CallbackUpkeep:
    """Steps to be repeated in a loop; each returns how much it did."""

    def __init__(self, ports: CallbackPorts, *, log_days: int) -> None:
        self._ports = ports
        self._log_period = timedelta(days=log_days)

    async def dead_letter_disabled(self) -> int:
        """Mark callbacks to newly disabled endpoints dead, and notify operators of each one."""
        endpoints = await self._ports.outbox.dead_letter_disabled(self._ports.clock.now())
        for endpoint in endpoints:
            if self._ports.metrics is not None:
                self._ports.metrics.endpoint_disabled()
            if self._ports.notifier is not None:
                subject = f"Callbacks of program {endpoint.program}: an endpoint is disabled"
                message = disabled_message(endpoint)
                # A notifier may call over the network.
                await asyncio.to_thread(
                    self._ports.notifier.notify,
                    subject,
                    message,
                    runbook=RUNBOOK,
                    incident=incident_of_endpoint(endpoint.program, endpoint.endpoint),
                )
        return len(endpoints)

    async def prune(self) -> int:
        """Forget endpoints that have not failed for the delivery log's retention, a batch a step.

        The log itself is archived by the daily close (services/callbacks/archiving.py).
        """
        return await self._ports.outbox.prune(
            self._ports.clock.now() - self._log_period, MAX_PRUNED
        )


def incident_of_endpoint(program: str, endpoint: str) -> str:
    """One incident an endpoint of a program; it ends when the endpoint is enabled again."""
    return f"{DISABLED}{program}/{endpoint}"


def disabled_message(endpoint: Endpoint) -> str:
    """The alarm for operators about a disabled endpoint."""
    return (
        f"{endpoint.endpoint} of program {endpoint.program} is disabled. "
        f"{endpoint.disabled_because} It failed {endpoint.failure_count} times since "
        f"{instant_text(endpoint.failing_since)}; the last error: {endpoint.last_error} "
        "Pending and new callbacks to it are dead. Once the partner has fixed it, run "
        f"`cardops callbacks enable {endpoint.endpoint} --program {endpoint.program}`, then "
        "`cardops callbacks replay --since …`."
    )
