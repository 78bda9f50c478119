"""Spending limits as commands take them and show them; amounts are decimal text of the currency.

Belongs here: what `cardops user limits` and `cardops program limits` have in common.
"""

import getpass
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from cardops.adapters.postgresql.accounts.spending_limits import PostgresSpendingLimits
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
from orchestration.cli.output import CommandError, print_json

Currency = Annotated[str | None, typer.Option(help="Of the amounts; else the program's.")]
PerAuthorization = Annotated[str | None, typer.Option(help="Most of one authorization.")]
Day = Annotated[str | None, typer.Option(help="Most of one calendar day (UTC).")]
DayCount = Annotated[int | None, typer.Option(help="Most permits of one calendar day.")]
Month = Annotated[str | None, typer.Option(help="Most of one calendar month (UTC).")]
MonthCount = Annotated[int | None, typer.Option(help="Most permits of one calendar month.")]
Window = Annotated[str | None, typer.Option(help="A trailing window: 90s, 30m, 24h or 7d.")]
WindowAmount = Annotated[str | None, typer.Option(help="Most of the window.")]
WindowCount = Annotated[int | None, typer.Option(help="Most permits of the window.")]
Remove = Annotated[
    list[str] | None,
    typer.Option(
        help="authorization, day, month or window (with --window its length); may be repeated."
    ),
]

_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a command was asked to set and to remove, not yet checked."""

    per_authorization: str | None = None
    day: str | None = None
    day_count: int | None = None
    month: str | None = None
    month_count: int | None = None
    window: str | None = None
    window_amount: str | None = None
    window_count: int | None = None
    remove: Sequence[str] = ()


def whoami() -> str:
    """Who is told as the one who made a change."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def carry_out(
    store: PostgresSpendingLimits, program: str, user_id: str, currency: str, wish: Wish
) -> None:
    """Set and remove what is wished. Raises CommandError before anything is changed."""
    if currency not in EXPONENTS:
        raise CommandError("The currency must be an upper-case ISO 4217 code such as USD.")
    limits, removals = limits_of(wish, currency), removals_of(wish)
    here = store.own(program, user_id).get(currency, ())
    missing = [key for key in removals if key not in {limit.key for limit in here}]
    if missing:
        raise CommandError(f"There is no such limit in {currency} to remove: {missing[0][0]}.")
    for key in removals:
        store.remove(program, user_id, currency, key, changed_by=whoami())
    if limits:
        store.change(program, user_id, currency, limits, changed_by=whoami())


def limits_of(wish: Wish, currency: str) -> list[SpendingLimit]:
    """The limits to set. Raises CommandError."""
    seconds = _window_seconds(wish.window)
    is_removed = LimitKind.WINDOW in wish.remove
    asked = [
        ("--per-authorization", LimitKind.AUTHORIZATION, wish.per_authorization, None, 0),
        ("--day", LimitKind.DAY, wish.day, wish.day_count, 0),
        ("--month", LimitKind.MONTH, wish.month, wish.month_count, 0),
        ("--window-amount", LimitKind.WINDOW, wish.window_amount, wish.window_count, seconds),
    ]
    found = [
        _limit(option, kind, amount, currency, count, length)
        for option, kind, amount, count, length in asked
        if amount is not None or count is not None
    ]
    if any(limit.key[0] is LimitKind.WINDOW for limit in found) or is_removed:
        if not seconds:
            raise CommandError("A window needs its length: --window 24h.")
    elif seconds:
        raise CommandError("A window needs --window-amount or --window-count.")
    return found


def removals_of(wish: Wish) -> list[tuple[LimitKind, int]]:
    """Keys of the limits to remove. Raises CommandError."""
    kinds = [kind.value for kind in LimitKind]
    strangers = [name for name in wish.remove if name not in kinds]
    if strangers:
        raise CommandError(f"{strangers[0]!r} is no kind of limit: use {', '.join(kinds)}.")
    seconds = _window_seconds(wish.window)
    return [
        (LimitKind(name), seconds if name == LimitKind.WINDOW else 0)
        for name in dict.fromkeys(wish.remove)
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
        _described(currency, one, has_use=has_use)
        for currency, allowances in found.items()
        for one in allowances
    ]
    if json_output:
        print_json({"program": program, "user_id": user_id or None, "limits": rows})
        return
    whom = f"user {user_id} of {program}" if user_id else f"each user of {program}"
    typer.echo(f"Limits of {whom}:" if rows else f"There are no limits of {whom}.")
    for currency, allowances in found.items():
        for one in allowances:
            typer.echo(_line(currency, one, has_use=has_use))


def today() -> datetime:
    """The instant that a table of limits is told for."""
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
        raise CommandError(f"{text!r} is no length of a window: use 90s, 30m, 24h or 7d. {problem}")
    return seconds


def _described(currency: str, one: Allowance, *, has_use: bool) -> dict[str, Any]:
    limit = one.limit
    row: dict[str, Any] = {
        "currency": currency,
        "kind": limit.kind.value,
        "window_seconds": limit.window_seconds,
        "max_amount_minor": limit.max_amount_minor,
        "max_count": limit.max_count,
    }
    if has_use:
        row |= {"used_amount_minor": one.used_amount_minor, "used_count": one.used_count}
    return row


def _line(currency: str, one: Allowance, *, has_use: bool) -> str:
    limit = one.limit
    most = format_amount(limit.max_amount_minor, currency) if limit.max_amount_minor else "-"
    parts = [f"  {limit_kind_text(limit):<16}{currency}  at most {most:>14}"]
    parts.append(f"and {limit.max_count or '-':>6} permits")
    if has_use and limit.kind is not LimitKind.AUTHORIZATION:
        used = format_amount(one.used_amount_minor, currency)
        parts.append(f"used {used:>14} in {one.used_count} permits")
    return "  ".join(parts)
