"""Alarms of merchants that come near the line of a network's monitoring programme, or reach it.

Belongs here: the alarm and the words of it. What a programme counts and where its lines are is in the
mart `fct_monitoring_programmes`, from the tables in `cardops/rules/data`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from typing import Final

from cardops.rules.alarms.incidents import named

# Merchants that an alarm names; it says how many more there are and how to see them.
MAX_NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class ProgrammeFigures:
    """Where a merchant stands in the current month, as the mart has it."""

    case_count: int
    sales_count: int
    line_tier: str
    line_ratio_bps: int
    line_case_count: int
    cases_to_line: int | None
    forecast_case_count: int | None
    tier_reached: str | None
    is_lower_bound: bool


@dataclass(frozen=True, slots=True, order=True)
class MonitoringAlarm:
    """One alarm of a merchant, programme and month: before its line, or when it is reached."""

    program: str
    merchant_id: str
    programme: str
    month: date
    is_reached: bool
    # What is told with it, and no part of which alarm it is; none of an alarm read back.
    figures: ProgrammeFigures | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class MonitoringText:
    """What an operator reads of a program's alarms in one programme."""

    subject: str
    message: str


def monitoring_texts(alarms: Sequence[MonitoringAlarm]) -> list[MonitoringText]:
    """One text for each program, programme and month, those that reached the line first."""

    def group(alarm: MonitoringAlarm) -> tuple[bool, str, str, date]:
        return not alarm.is_reached, alarm.program, alarm.programme, alarm.month

    ordered = sorted(alarms, key=lambda alarm: (*group(alarm), alarm))
    return [_text(list(members)) for _, members in groupby(ordered, key=group)]


def _text(alarms: Sequence[MonitoringAlarm]) -> MonitoringText:
    first, count = alarms[0], len(alarms)
    merchants = "1 merchant" if count == 1 else f"{count} merchants"
    state = "reached the line" if first.is_reached else "may reach the line"
    what = f"{merchants} of {first.program} {state} of {first.programme} in {first.month:%Y-%m}"
    sentences = "; ".join(_sentence(alarm) for alarm in alarms[:MAX_NAMED])
    more = f"; and {count - MAX_NAMED} more" if count > MAX_NAMED else ""
    return MonitoringText(
        f"{what}: {named([alarm.merchant_id for alarm in alarms])}",
        f"{what}: {sentences}{more}. The mart fct_monitoring_programmes has the figures: refund or "
        "resolve alerts before they are disputes, and look for one cause of many.",
    )


def _sentence(alarm: MonitoringAlarm) -> str:
    figures = alarm.figures
    if figures is None:
        return alarm.merchant_id
    percent = f"{figures.line_ratio_bps // 100}.{figures.line_ratio_bps % 100:02}"
    parts = [
        f"{alarm.merchant_id} has {figures.case_count} cases against {figures.sales_count} sales",
        f"{figures.tier_reached or figures.line_tier} begins at {figures.line_case_count} cases "
        f"and {percent} %"
        if figures.tier_reached in {None, figures.line_tier}
        else f"it is {figures.tier_reached}",
    ]
    if not alarm.is_reached and figures.cases_to_line is not None:
        parts.append(f"{figures.cases_to_line} more reach it")
    if not alarm.is_reached and figures.forecast_case_count is not None:
        parts.append(f"{figures.forecast_case_count} are forecast for the month")
    if figures.is_lower_bound:
        parts.append("no fraud reports were received, so there may be more")
    return ", ".join(parts)
