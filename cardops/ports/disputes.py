"""Disputes as the lake has them, and what operators recorded about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import polars as pl

    from cardops.rules.chargebacks.alarms import DeadlineAlarm
    from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.queue import DisputeRecord, DisputeStep, RecordRequest


class Disputes(Protocol):
    """The lake's disputes by their last step, whether or not the marts were built since."""

    def open_disputes(self) -> pl.DataFrame:
        """Each open dispute by its last step, in no order; columns as in OPEN_DISPUTES.

        See cardops.contracts.lake.disputes.
        """

    def version(self) -> str:
        """Another text whenever steps were added, changed or taken away; found without reading them."""

    def steps(self, case_number: str) -> Sequence[DisputeStep]:
        """Every step of the disputes with this case number, dispute by dispute, as they happened."""


class DisputeRecords(Protocol):
    """What operators recorded; records are added, never changed."""

    def add(
        self,
        request: RecordRequest,
        judge: Callable[[Sequence[DisputeRecord]], DisputeRecord | None],
    ) -> tuple[DisputeRecord, bool]:
        """The request's record, and whether it is new.

        `judge` gets the dispute's records and returns the one that the request repeats, or raises;
        until it is stored, nobody else can add a record of that dispute.
        """

    def of_dispute(self, dispute: DisputeKey) -> Sequence[DisputeRecord]:
        """The dispute's records in the order in which they were added."""

    def standing(self) -> Sequence[DisputeRecord]:
        """Of each dispute the last assignment and the last decision (accept, close, reopen)."""


class DisputeAlarms(Protocol):
    """Which alarms of deadlines were raised."""

    def claim(self, alarms: Sequence[DeadlineAlarm]) -> Sequence[DeadlineAlarm]:
        """Record those that nobody raised yet, and return them; they are the caller's to send."""

    def confirm(self, alarms: Sequence[DeadlineAlarm]) -> None:
        """Record that they were sent."""

    def unconfirmed(self, before: datetime) -> Sequence[DeadlineAlarm]:
        """Alarms raised before that instant which may not have been sent: the process ended."""
