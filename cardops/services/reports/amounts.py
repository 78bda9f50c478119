"""Figures as pages show them: exact decimals, with what they are counted in, made of integers once."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from cardops.rules.currencies import EXPONENTS
from cardops.rules.money import format_amount

_NO_BREAK: Final = "\N{NO-BREAK SPACE}"


def money(amount_minor: int, currency: str) -> str:
    """Exact decimal text with thousands apart."""
    whole, point, fraction = format_amount(amount_minor, currency).partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{int(digits):,}{point}{fraction}"


def priced(amount_minor: int, currency: str | None, unit: str | None = None) -> str:
    """The same with its currency: `1,234.50 USD`. What is no money is counted in `unit`."""
    if currency in EXPONENTS:
        return f"{money(amount_minor, currency)} {currency}"
    counted = currency or (unit if unit != "minor" else None)
    return f"{amount_minor:,} {counted}" if counted else f"{amount_minor:,}"


def each_priced(totals_minor: Mapping[str, int]) -> str:
    """Amounts of several currencies beside each other; they are never added up."""
    return ", ".join(priced(minor, currency) for currency, minor in sorted(totals_minor.items()))


def share(part: int, whole: int) -> str:
    """A percentage and what it is of: `12.50 % (125 of 1,000)`."""
    if not whole:
        return f"none ({part:,} of 0)"
    return f"{Decimal(part) * 100 / whole:.2f}{_NO_BREAK}% ({part:,} of {whole:,})"


def share_of_money(part_minor: int, whole_minor: int, currency: str) -> str:
    """The same of two amounts of one currency: `0.80 % (12.00 of 1,500.00 USD)`."""
    amounts = f"{money(part_minor, currency)} of {priced(whole_minor, currency)}"
    if not whole_minor:
        return f"none ({amounts})"
    return f"{Decimal(part_minor) * 100 / whole_minor:.2f}{_NO_BREAK}% ({amounts})"


def percent(rate: Decimal) -> str:
    """A rate of one as a percentage: 0.125 -> `12.50 %`."""
    return f"{rate * 100:.2f}{_NO_BREAK}%"


def change(now: int, before: int | None) -> str:
    """By how much a figure grew, in percent of what it was; so did money out, which is negative."""
    if before is None:
        return ""
    if not before:
        return "no change" if not now else "from 0"
    grown = Decimal(now - before) * 100 / before
    return f"{grown:+.1f}{_NO_BREAK}%" if grown else "no change"
