"""Alarms of disputes whose last day for an answer is near or has passed.

Belongs here: which alarm a deadline calls for, and the words of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import groupby
from typing import Final

from cardops.rules.alarms.incidents import Severity, named
from cardops.rules.chargebacks.queue import Opening

# Cases that an alarm names, nearest first; it says how many more there are and how to see them.
MAX_NAMED: Final = 20


class AlarmLevel(StrEnum):
    """How near the last day is."""

    DUE_IN_7 = "due_in_7"
    DUE_IN_3 = "due_in_3"
    DUE_IN_1 = "due_in_1"
    MISSED = "missed"


# From the nearest on: days left, at most -> the level.
_LEVELS: Final = {
    -1: AlarmLevel.MISSED,
    1: AlarmLevel.DUE_IN_1,
    3: AlarmLevel.DUE_IN_3,
    7: AlarmLevel.DUE_IN_7,
}
_SEVERITIES: Final = {
    AlarmLevel.DUE_IN_7: Severity.WARNING,
    # Whoever does not answer today or tomorrow loses the money.
    AlarmLevel.DUE_IN_1: Severity.CRITICAL,
}
# An incident's key before program and level.
DEADLINE: Final = "dispute-deadline:"
FIRST_ALARM_DAYS: Final = max(_LEVELS)


def alarm_level(days_left: int) -> AlarmLevel | None:
    """The alarm that so many days call for; None where the last day is far."""
    return next((level for days, level in _LEVELS.items() if days_left <= days), None)


@dataclass(frozen=True, slots=True)
class DeadlineAlarm:
    """One alarm of one opening and deadline. A deadline that the feed moved has alarms of its own."""

    opening: Opening
    reply_by_on: date
    level: AlarmLevel


def incident_of(alarm: DeadlineAlarm) -> str:
    """One incident a program and level."""
    return f"{DEADLINE}{alarm.opening.dispute.program}/{alarm.level}"


@dataclass(frozen=True, slots=True)
class AlarmText:
    """What an operator reads of all alarms of a program at one level."""

    subject: str
    message: str
    incident: str = ""
    severity: Severity = Severity.ERROR


def alarm_texts(alarms: Sequence[DeadlineAlarm]) -> list[AlarmText]:
    """One text for each program and level, the most urgent first: a storm of alarms hides the worst."""
    levels = list(_LEVELS.values())

    def group(alarm: DeadlineAlarm) -> tuple[int, str]:
        return levels.index(alarm.level), alarm.opening.dispute.program

    ordered = sorted(alarms, key=lambda alarm: (*group(alarm), *_nearness(alarm)))
    return [
        _text(levels[place], program, list(members))
        for (place, program), members in groupby(ordered, key=group)
    ]


def _nearness(alarm: DeadlineAlarm) -> tuple[int, Opening]:
    """What can still be answered by its deadline, what was missed by the latest."""
    day = alarm.reply_by_on.toordinal()
    return (-day if alarm.level is AlarmLevel.MISSED else day), alarm.opening


def _text(level: AlarmLevel, program: str, alarms: Sequence[DeadlineAlarm]) -> AlarmText:
    count, one = len(alarms), len(alarms) == 1
    disputes = f"1 dispute of {program}" if one else f"{count} disputes of {program}"
    verb = "is" if one else "are"
    if level is AlarmLevel.MISSED:
        what, option = f"{disputes} {verb} overdue", "--overdue"
    else:
        days = level.rpartition("_")[2]
        noun = "day" if days == "1" else "days"
        what = f"{disputes} {verb} to be answered within {days} {noun}"
        option = f"--due-within {days}"
    cases = [
        f"{alarm.opening.dispute.case_number} ({alarm.opening.dispute.network}, "
        f"{alarm.opening.stage}) by {alarm.reply_by_on}"
        for alarm in alarms[:MAX_NAMED]
    ]
    more = f", and {count - MAX_NAMED} more" if count > MAX_NAMED else ""
    return AlarmText(
        incident=incident_of(alarms[0]),
        severity=_SEVERITIES.get(level, Severity.ERROR),
        subject=f"{what}: {named([alarm.opening.dispute.case_number for alarm in alarms])}",
        message=f"{', '.join(cases)}{more}. `cardops disputes list --program {program} {option}` "
        "lists them with their owners; answer, accept or close each.",
    )
