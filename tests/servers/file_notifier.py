"""A notifier that writes each alarm to a file at once, for processes that are killed at any step."""

import json
from collections.abc import Collection
from pathlib import Path

from typing_extensions import override

from cardops.ports import Clock, Notifier
from cardops.rules.alarms.incidents import Severity


class FileNotifier(Notifier):
    """One JSON line an alarm."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

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
        alarm = {
            "at": self._clock.now().isoformat(),
            "subject": subject,
            "message": message,
            "runbook": runbook,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as alarms:
            alarms.write(json.dumps(alarm) + "\n")

    @override
    def resolve(self, incident: str, why: str) -> None:
        pass

    @override
    def resolve_except(self, prefix: str, still: Collection[str], why: str) -> None:
        pass
