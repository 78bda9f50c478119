"""The ports and limits of the application, provided by authorizer.main or by a test."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from authorizer.api.authentication import Authenticator
from authorizer.decisions.batcher import Batcher
from authorizer.metrics import Metrics
from cardops.ports import (
    Authorizations,
    CallbackOutbox,
    CallbackSender,
    CallerDirectory,
    Clock,
    DatabaseTime,
    DatabaseWatch,
    ExpiredHolds,
    Notifier,
    Reads,
    SecretStore,
    Tracing,
)
from cardops.services.callbacks.sending import DEFAULT_LOG_DAYS
from cardops.services.clock_check import ClockCheck

REQUEST_DEADLINE_SECONDS: Final = 3.0
REQUESTS_PER_SECOND: Final = 20_000.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a request, and what a test key may do."""

    deadline_seconds: float = REQUEST_DEADLINE_SECONDS
    requests_per_second: float = REQUESTS_PER_SECOND
    allow_loopback: bool = False
    callback_log_days: int = DEFAULT_LOG_DAYS


@dataclass(slots=True)
class Dependencies:
    """The ports, and the batcher and authenticator built over them once per process."""

    authorizations: Authorizations
    callers: CallerDirectory
    outbox: CallbackOutbox
    reads: Reads
    secrets: SecretStore
    clock: Clock
    limits: Limits = field(default_factory=Limits)
    # None if the holds of this application are released by another process.
    expired_holds: ExpiredHolds | None = None
    # None if another process sends callbacks.
    callback_sender: CallbackSender | None = None
    notifier: Notifier | None = None
    tracing: Tracing | None = None
    # None if the database is not ours to start.
    database_watch: DatabaseWatch | None = None
    sessions_in_use: Callable[[], int] = lambda: 0
    # None where there is no database whose clock could differ.
    database_time: DatabaseTime | None = None
    clock_check: ClockCheck = field(init=False)
    batcher: Batcher = field(init=False)
    authenticator: Authenticator = field(init=False)

    def __post_init__(self) -> None:
        self.clock_check = ClockCheck(self.clock, self.database_time)
        self.batcher = Batcher(self.authorizations, deadline_seconds=self.limits.deadline_seconds)
        self.authenticator = Authenticator(
            self.callers, requests_per_second=self.limits.requests_per_second
        )

    def report_load(self, metrics: Metrics) -> None:
        """Report what waits and which sessions are in use."""
        metrics.set_load(
            self.batcher.waiting_count, self.batcher.actions.waiting_count, self.sessions_in_use()
        )


OpenDependencies: TypeAlias = Callable[[], AbstractAsyncContextManager[Dependencies]]
