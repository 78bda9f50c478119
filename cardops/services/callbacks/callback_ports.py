"""The ports of callback sending, handed to the worker and its upkeep as one value."""

from dataclasses import dataclass

from cardops.ports import (
    CallbackMetrics,
    CallbackOutbox,
    CallbackSender,
    Clock,
    Notifier,
    SecretStore,
    Tracing,
)


@dataclass(frozen=True, slots=True)
class CallbackPorts:
    """What sending needs from outside; the optional ports only observe."""

    outbox: CallbackOutbox
    secrets: SecretStore
    sender: CallbackSender
    clock: Clock
    notifier: Notifier | None = None
    metrics: CallbackMetrics | None = None
    tracing: Tracing | None = None
