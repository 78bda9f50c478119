"""Amounts as senders write them: patterns, and the contract's decimal text of one that matches.

Belongs here: one text at a time. cardops.contracts.reading.mapped_amounts does the same for whole
columns with the same patterns. No float, no rounding: digits are moved, never computed.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cardops.rules.currencies import EXPONENTS

# Separators of thousands that senders use: none, comma, point, apostrophes, blanks.
NO_SEPARATOR: Final = ""
SEPARATORS: Final = (NO_SEPARATOR, ",", ".", "'", "\u2019", " ", "\u00a0", "\u202f", "_")
DECIMAL_SIGNS: Final = (".", ",")
# Before a text that the contract must refuse, whatever it looks like there: no amount, id or instant
# begins with it.
UNREADABLE: Final = "?"
_BLANKS: Final = " \t\u00a0\u202f"


def literal(text: str) -> str:
    """A pattern of exactly this text, escaped in the one way that Python and Rust share."""
    return "".join(
        sign if sign.isalnum() or not sign.isascii() else f"\\x{ord(sign):02x}" for sign in text
    )


class Sign(StrEnum):
    """What a sign before an amount means."""

    UNSIGNED = "unsigned"  # the contract's rule: an amount has no sign
    SIGNED = "signed"  # +25 is 25, and -25 is refused as non-positive
    NEGATIVE = "negative"  # the sender writes this kind's money as -25; 25 is refused
    IGNORED = "ignored"  # 25, +25 and -25 are 25; only another column can say that it is a debit


class Grouping(StrEnum):
    """Where separators of thousands stand."""

    THREE = "three"  # 1,234,567
    INDIAN = "indian"  # 12,34,567


@dataclass(frozen=True, slots=True)
class AmountFormat:
    """How a sender writes money. `affixes`: symbols that may stand before or after the digits."""

    decimal: str = "."
    thousands: str = NO_SEPARATOR
    grouping: Grouping = Grouping.THREE
    sign: Sign = Sign.UNSIGNED
    is_minor: bool = False
    affixes: tuple[str, ...] = ()

    @property
    def body(self) -> str:
        """Pattern of digits without sign: groups `whole` and `fraction`.

        Nobody writes 500 as 0.500: grouped digits that begin with a nought are a fraction.
        """
        separator = literal(self.thousands)
        whole = "[0-9]+"
        if separator and self.grouping is Grouping.THREE:
            whole = f"[0-9]+|[1-9][0-9]{{0,2}}(?:{separator}[0-9]{{3}})+"
        elif separator:
            whole = f"[0-9]+|[1-9][0-9]?(?:{separator}[0-9]{{2}})*{separator}[0-9]{{3}}"
        fraction = "" if self.is_minor else f"(?:{literal(self.decimal)}(?P<fraction>[0-9]+))?"
        return f"(?P<whole>{whole}){fraction}"

    @property
    def pattern(self) -> str:
        """The whole amount: also `lead`, `trail` and `open` where it may have a sign."""
        blank = f"[{_BLANKS}]*"
        affix = "|".join(literal(text) for text in sorted(self.affixes, key=len, reverse=True))
        symbol = f"(?:(?:{affix}){blank})?" if affix else ""
        symbol_after = f"(?:{blank}(?:{affix}))?" if affix else ""
        if self.sign is Sign.UNSIGNED:
            # A minus is passed on, so that the contract calls the amount non-positive.
            return f"^(?P<lead>-?){blank}{symbol}{self.body}{symbol_after}$"
        inner = (
            f"{symbol}(?P<lead>[+\u2212-]?){blank}{symbol}{self.body}{blank}(?P<trail>[+\u2212-]?)"
        )
        return f"^(?P<open>\\(?){inner}{symbol_after}(?P<close>\\)?)$"

    def contract_text(self, text: str, currency: str | None, *, is_debit: bool = False) -> str:
        """Decimal text as the contract wants it; else a text that it refuses.

        `is_debit`: another column says that the amount is negative.
        """
        found = re.fullmatch(self.pattern[1:-1], text)
        sign = None if found is None else self._sign(found.groupdict(), is_debit=is_debit)
        if found is None or sign is None:
            return UNREADABLE + text
        whole = found["whole"].replace(self.thousands, "") if self.thousands else found["whole"]
        if self.is_minor:
            if currency is None:
                return UNREADABLE + text
            return sign + _units(whole, EXPONENTS.get(currency, 0))
        fraction = found["fraction"]
        return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"

    def _sign(self, part: dict[str, str | None], *, is_debit: bool) -> str | None:
        """`-` or nothing; None where the text has signs that contradict each other."""
        marks = [part.get("lead") or "", part.get("trail") or "", part.get("open") or ""]
        if bool(part.get("open")) != bool(part.get("close")) or sum(map(bool, marks)) > 1:
            return None
        has_minus = any(mark not in {"", "+"} for mark in marks)
        if self.sign is Sign.IGNORED:
            return "-" if is_debit else ""
        if has_minus and is_debit:
            return None
        return "-" if (has_minus or is_debit) != (self.sign is Sign.NEGATIVE) else ""


def _units(minor: str, exponent: int) -> str:
    if exponent == 0:
        return minor
    digits = minor.rjust(exponent + 1, "0")
    return f"{digits[:-exponent]}.{digits[-exponent:]}"
