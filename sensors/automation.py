"""Alarms of sensors and schedules that do not work: somebody switched them off, or their ticks fail.

Dagster shows both on the page Automation, and tells nobody. Belongs here: telling. What a failed run means is in
sensors.run_failure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick, TickStatus

from cardops.ports import Notifier
from cardops.rules.alarms.incidents import Severity
from sensors.errors import innermost

MINIMUM_INTERVAL_SECONDS: Final = 300
RUNBOOK: Final = "docs/runbooks/automation.md"
# An incident's key before the name.
AUTOMATION: Final = "automation:"
# A tick may fail while a database or a bucket cannot be reached, and the next one makes up for it.
FAILED_TICKS: Final = 3
MAX_ERROR_CHARACTERS: Final = 600


@dataclass(frozen=True, slots=True)
class Trouble:
    """A sensor or schedule that does not do its work, and what to tell of it."""

    name: str
    subject: str
    message: str
    severity: Severity

    @property
    def incident(self) -> str:
        """The key of its alarm."""
        return f"{AUTOMATION}{self.name}"


def automation_sensor() -> dg.SensorDefinition:
    """Looks every five minutes, and requests no runs."""

    @dg.sensor(
        name="automation_sensor",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=MINIMUM_INTERVAL_SECONDS,
        description="Raises an alarm of each sensor and schedule that is switched off, or whose ticks fail.",
    )
    def sensor(
        context: dg.SensorEvaluationContext, notifier: dg.ResourceParam[Notifier]
    ) -> dg.SkipReason:
        found = list(troubles(context))
        for trouble in found:
            notifier.notify(
                trouble.subject,
                trouble.message,
                runbook=RUNBOOK,
                incident=trouble.incident,
                severity=trouble.severity,
            )
        still = {trouble.incident for trouble in found}
        notifier.resolve_except(AUTOMATION, still, "It is on, and its newest tick did not fail.")
        named = ", ".join(trouble.name for trouble in found)
        return dg.SkipReason(f"Not at work: {named}." if found else "All are at work.")

    return sensor


def troubles(context: dg.SensorEvaluationContext) -> Iterator[Trouble]:
    """Those of this code location that are off or fail, by name."""
    repository = context.repository_def
    if repository is None:
        return
    known = {each.name: each.description for each in repository.sensor_defs}
    known |= {each.name: each.description for each in repository.schedule_defs}
    states = [state for state in context.instance.all_instigator_state() if state.name in known]
    for state in sorted(states, key=lambda state: state.name):
        what = known[state.name] or "see its page"
        if not state.is_running:
            yield _switched_off(state, what)
            continue
        ticks = context.instance.get_ticks(
            state.instigator_origin_id, state.selector_id, limit=FAILED_TICKS
        )
        if len(ticks) == FAILED_TICKS and all(tick.status is TickStatus.FAILURE for tick in ticks):
            yield _failing(state, what, ticks[0])


def _switched_off(state: InstigatorState, what: str) -> Trouble:
    return Trouble(
        state.name,
        f"{state.name} is switched off",
        f"Somebody switched it off, so this does not happen: {what} Switch it on again under Automation; while it is off "
        "on purpose, acknowledge this alarm. `cardops audit list` names who it was.",
        Severity.WARNING,
    )


def _failing(state: InstigatorState, what: str, newest: InstigatorTick) -> Trouble:
    error = innermost(newest.error)
    said = error.message.strip()[:MAX_ERROR_CHARACTERS] if error else "no error is recorded"
    return Trouble(
        state.name,
        f"{state.name} fails",
        f"Its last {FAILED_TICKS} ticks failed, so this does not happen: {what} The newest failed with: {said}",
        Severity.ERROR,
    )
