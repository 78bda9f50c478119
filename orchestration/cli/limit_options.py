"""Spending limits as commands read and show them; amounts are decimal text in the currency.

Belongs here: what `cardops user limits` and `cardops program limits` have in common.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from cardops.ports import SpendingLimits
from cardops.rules.accounts.spending_limits import (
    Allowance,
    LimitKind,
    SpendingLimit,
    limit_kind_text,
    limit_problem,
)
from cardops.rules.authorizations.actions import amount_problem_text
from cardops.rules.currencies import EXPONENTS
from cardops.rules.money import AmountProblem, format_amount, parse_amount
from orchestration.account import whoami
from orchestration.cli.output import CommandError, print_json

Currency = Annotated[
    str | None, typer.Option(help="Currency of the amounts; the program's by default.")
]
PerAuthorization = Annotated[str | None, typer.Option(help="Highest amount of one authorization.")]
Day = Annotated[str | None, typer.Option(help="Highest total per calendar day (UTC).")]
DayCount = Annotated[int | None, typer.Option(help="Highest number of permits per calendar day.")]
Month = Annotated[str | None, typer.Option(help="Highest total per calendar month (UTC).")]
MonthCount = Annotated[
    int | None, typer.Option(help="Highest number of permits per calendar month.")
]
Window = Annotated[
    str | None, typer.Option(help="Length of a sliding window, such as 90s, 30m, 24h or 7d.")
]
WindowAmount = Annotated[str | None, typer.Option(help="Highest total in the window.")]
WindowCount = Annotated[int | None, typer.Option(help="Highest number of permits in the window.")]
Remove = Annotated[
    list[str] | None,
    typer.Option(
        help="Limit to remove: authorization, day, month or window (with its length in --window); repeat for several."
    ),
]

_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class LimitChange:
    """Limits to set and to remove, as typed and not yet checked."""

    per_authorization: str | None = None
    day: str | None = None
    day_count: int | None = None
    month: str | None = None
    month_count: int | None = None
    window: str | None = None
    window_amount: str | None = None
    window_count: int | None = None
    remove: Sequence[str] = ()


def apply_change(
    store: SpendingLimits, program: str, user_id: str, currency: str, change: LimitChange
) -> None:
    """Set and remove limits. Raises CommandError before anything is changed."""
    if currency not in EXPONENTS:
        raise CommandError("The currency must be an upper-case ISO 4217 code such as USD.")
    limits, removals = limits_of(change, currency), removals_of(change)
    current = store.own(program, user_id).get(currency, ())
    missing = [key for key in removals if key not in {limit.key for limit in current}]
    if missing:
        raise CommandError(f"There is no {missing[0][0]} limit in {currency} to remove.")
    for key in removals:
        store.remove(program, user_id, currency, key, changed_by=whoami())
    if limits:
        store.change(program, user_id, currency, limits, changed_by=whoami())


def limits_of(change: LimitChange, currency: str) -> list[SpendingLimit]:
    """The limits to set. Raises CommandError."""
    seconds = _window_seconds(change.window)
    is_removed = LimitKind.WINDOW in change.remove
    options = [
        ("--per-authorization", LimitKind.AUTHORIZATION, change.per_authorization, None, 0),
        ("--day", LimitKind.DAY, change.day, change.day_count, 0),
        ("--month", LimitKind.MONTH, change.month, change.month_count, 0),
        ("--window-amount", LimitKind.WINDOW, change.window_amount, change.window_count, seconds),
    ]
    found = [
        _limit(option, kind, amount, currency, count, length)
        for option, kind, amount, count, length in options
        if amount is not None or count is not None
    ]
    if any(limit.key[0] is LimitKind.WINDOW for limit in found) or is_removed:
        if not seconds:
            raise CommandError("A window limit needs its length, such as --window 24h.")
    elif seconds:
        raise CommandError("A window limit needs --window-amount or --window-count.")
    return found


def removals_of(change: LimitChange) -> list[tuple[LimitKind, int]]:
    """Keys of the limits to remove. Raises CommandError."""
    kinds = [kind.value for kind in LimitKind]
    unknown = [name for name in change.remove if name not in kinds]
    if unknown:
        raise CommandError(f"{unknown[0]!r} is not a kind of limit; use {', '.join(kinds)}.")
    seconds = _window_seconds(change.window)
    return [
        (LimitKind(name), seconds if name == LimitKind.WINDOW else 0)
        for name in dict.fromkeys(change.remove)
    ]


def show(
    program: str,
    user_id: str,
    found: Mapping[str, Sequence[Allowance]],
    *,
    has_use: bool,
    json_output: bool,
) -> None:
    """The limits by currency, with what is used of each where they are one user's."""
    rows = [
        _described(currency, allowance, has_use=has_use)
        for currency, allowances in found.items()
        for allowance in allowances
    ]
    if json_output:
        print_json({"program": program, "user_id": user_id or None, "limits": rows})
        return
    subject = (
        f"user {user_id} of program {program}" if user_id else f"each user of program {program}"
    )
    typer.echo(f"Spending limits of {subject}:" if rows else f"No spending limits for {subject}.")
    for currency, allowances in found.items():
        for allowance in allowances:
            typer.echo(_line(currency, allowance, has_use=has_use))


def today() -> datetime:
    """The instant at which the use of limits is shown."""
    return datetime.now(UTC)


def _limit(
    option: str,
    kind: LimitKind,
    amount: str | None,
    currency: str,
    count: int | None,
    seconds: int,
) -> SpendingLimit:
    amount_minor = parse_amount(amount, currency) if amount is not None else None
    if isinstance(amount_minor, AmountProblem):
        raise CommandError(f"{option} {amount!r} {amount_problem_text(amount_minor, currency)}.")
    limit = SpendingLimit(kind, amount_minor, count, seconds)
    problem = limit_problem(limit) if kind is not LimitKind.WINDOW or seconds else None
    if problem:
        raise CommandError(problem)
    return limit


def _window_seconds(text: str | None) -> int:
    """Seconds of `90`, `90s`, `30m`, `24h`, `7d`; 0 for none."""
    if text is None:
        return 0
    match = re.fullmatch(r"([0-9]{1,7})([smhd]?)", text, re.ASCII)
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    problem = limit_problem(SpendingLimit(LimitKind.WINDOW, None, 1, seconds))
    if problem:
        raise CommandError(f"{text!r} is not a window length; use 90s, 30m, 24h or 7d. {problem}")
    return seconds


def _described(currency: str, allowance: Allowance, *, has_use: bool) -> dict[str, Any]:
    limit = allowance.limit
    row: dict[str, Any] = {
        "currency": currency,
        "kind": limit.kind.value,
        "window_seconds": limit.window_seconds,
        "max_amount_minor": limit.max_amount_minor,
        "max_count": limit.max_count,
    }
    if has_use:
        row |= {
            "used_amount_minor": allowance.used_amount_minor,
            "used_count": allowance.used_count,
        }
    return row


def _line(currency: str, allowance: Allowance, *, has_use: bool) -> str:
    limit = allowance.limit
    most = format_amount(limit.max_amount_minor, currency) if limit.max_amount_minor else "-"
    parts = [f"  {limit_kind_text(limit):<16}{currency}  at most {most:>14}"]
    parts.append(f"and {limit.max_count or '-':>6} permits")
    if has_use and limit.kind is not LimitKind.AUTHORIZATION:
        used = format_amount(allowance.used_amount_minor, currency)
        parts.append(f"used {used:>14} in {allowance.used_count} permits")
    return "  ".join(parts)
