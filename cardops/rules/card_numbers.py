"""Card numbers: found in free text, and cut to what may be kept.

PCI DSS 3.4 lets at most the BIN and the last four digits be shown. A run of digits is a card
number when it has a scheme's leading digits, its length and a right check digit (Luhn).
"""

import re
from typing import Final

from cardops.rules.routing import scheme_of_number

BIN_DIGITS: Final = 6
LAST_DIGITS: Final = 4
MIN_DIGITS: Final = 12
MAX_DIGITS: Final = 19

# Digits with at most one space, dash or dot between two of them; longer runs are cut apart below.
_RUN: Final = re.compile(r"(?<![0-9])[0-9](?:[ .-]?[0-9]){11,}", re.ASCII)
# A cheap test that tells nearly every text apart, for whole columns as well.
CANDIDATE: Final = r"[0-9](?:[ .-]?[0-9]){11}"


def passes_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (doubled + sum(map(int, digits[::-2]))) % 10 == 0


def is_card_number(digits: str) -> bool:
    """Length, leading digits of a card scheme, and check digit."""
    if not MIN_DIGITS <= len(digits) <= MAX_DIGITS or len(set(digits)) == 1:
        return False
    return passes_luhn(digits) and scheme_of_number(digits) is not None


def truncated(digits: str) -> str:
    """`4520880000001234` -> `452088******1234`: the only form in which a number is kept."""
    hidden = "*" * (len(digits) - BIN_DIGITS - LAST_DIGITS)
    return digits[:BIN_DIGITS] + hidden + digits[-LAST_DIGITS:]


def masked(text: str) -> str:
    """The text with every card number in it truncated, separators gone; other digits stay."""
    return _RUN.sub(_mask_run, text)


def _mask_run(found: re.Match[str]) -> str:
    """A run may hold several numbers; each begins and ends where a group of digits does.

    Windows inside a group would make card numbers of one long order id in ten.
    """
    run = found[0]
    groups = [(group.start(), group.end()) for group in re.finditer("[0-9]+", run)]
    masked_run, copied, first = "", 0, 0
    while first < len(groups):
        last = _last_group_of_number(run, groups, first)
        if last is None:
            first += 1
            continue
        start, end = groups[first][0], groups[last][1]
        masked_run += run[copied:start] + truncated(_digits(run[start:end]))
        copied, first = end, last + 1
    return masked_run + run[copied:]


def _last_group_of_number(run: str, groups: list[tuple[int, int]], first: int) -> int | None:
    start = groups[first][0]
    ends = groups[first : first + MAX_DIGITS]
    found = (
        first + place
        for place, (_, end) in reversed(list(enumerate(ends)))
        if is_card_number(_digits(run[start:end]))
    )
    return next(found, None)


def _digits(text: str) -> str:
    return "".join(sign for sign in text if sign.isdigit())
