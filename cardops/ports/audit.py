"""The audit trail: what people changed, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cardops.rules.audit import AuditEntry, AuditRecord, AuditResult


class AuditTrail(Protocol):
    """Rows are added and never changed: one before a change is made, one with what became of it."""

    def begin(self, entry: AuditEntry) -> int:
        """Record that the change is about to be made. Raises AuditUnavailableError: then do not make it."""

    def finish(self, entry_id: int, result: AuditResult, detail: str = "") -> None:
        """Record what became of it."""

    def latest(
        self, since: datetime, limit: int, actor: str | None = None
    ) -> Sequence[AuditRecord]:
        """Entries since the instant, of one person where one is named; newest first."""
