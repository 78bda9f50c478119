"""Amounts as pages show them: decimals, made of minor units once."""

from cardops.rules.money import format_amount


def money(amount_minor: int, currency: str) -> str:
    """Exact decimal text with thousands apart."""
    whole, point, fraction = format_amount(amount_minor, currency).partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{int(digits):,}{point}{fraction}"
