"""The audit trail in memory; while `is_down` it records nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from typing_extensions import override

from cardops.ports import AuditTrail
from cardops.rules.audit import AuditEntry, AuditRecord, AuditResult, AuditUnavailableError


@dataclass
class FakeAuditTrail(AuditTrail):
    """`records` holds them, oldest first."""

    records: list[AuditRecord] = field(default_factory=list)
    is_down: bool = False

    @override
    def begin(self, entry: AuditEntry) -> int:
        if self.is_down:
            raise AuditUnavailableError(entry.action, "the database is down")
        record = AuditRecord(len(self.records) + 1, datetime.now(UTC), entry, None, "")
        self.records.append(record)
        return record.entry_id

    @override
    def finish(self, entry_id: int, result: AuditResult, detail: str = "") -> None:
        found = self.records[entry_id - 1]
        if found.result is None:
            self.records[entry_id - 1] = AuditRecord(
                found.entry_id, found.at, found.entry, result, detail
            )

    @override
    def latest(
        self, since: datetime, limit: int, actor: str | None = None
    ) -> Sequence[AuditRecord]:
        found = [
            record
            for record in reversed(self.records)
            if record.at >= since and actor in {None, record.entry.actor}
        ]
        return found[:limit]
