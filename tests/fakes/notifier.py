"""A notifier that records its alarms."""

from collections.abc import Collection
from dataclasses import dataclass, field

from typing_extensions import override

from cardops.ports import Notifier
from cardops.rules.alarms.incidents import Severity


@dataclass
class FakeNotifier(Notifier):
    """`alarms` holds (subject, message, runbook); `open` the subjects by key; `resolved` (key, why)."""

    alarms: list[tuple[str, str, str | None]] = field(default_factory=list)
    open: dict[str, str] = field(default_factory=dict)
    severities: dict[str, Severity] = field(default_factory=dict)
    resolved: list[tuple[str, str]] = field(default_factory=list)

    @override
    def notify(
        self,
        subject: str,
        message: str,
        *,
        runbook: str | None = None,
        incident: str | None = None,
        severity: Severity = Severity.ERROR,
    ) -> None:
        self.alarms.append((subject, message, runbook))
        self.open[incident or subject] = subject
        self.severities[incident or subject] = severity

    @override
    def resolve(self, incident: str, why: str) -> None:
        if self.open.pop(incident, None) is not None:
            self.resolved.append((incident, why))

    @override
    def resolve_except(self, prefix: str, still: Collection[str], why: str) -> None:
        for key in sorted(self.open):
            if key.startswith(prefix) and key not in still:
                self.resolve(key, why)
