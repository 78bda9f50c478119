"""A notifier that records its alarms."""

from dataclasses import dataclass, field

from typing_extensions import override

from cardops.ports import Notifier


@dataclass
class FakeNotifier(Notifier):
    """`alarms` holds (subject, message, runbook)."""

    alarms: list[tuple[str, str, str | None]] = field(default_factory=list)

    @override
    def notify(self, subject: str, message: str, *, runbook: str | None = None) -> None:
        self.alarms.append((subject, message, runbook))
