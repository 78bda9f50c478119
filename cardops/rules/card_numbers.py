"""Card numbers: found in free text, and truncated to the digits that may be stored.

PCI DSS 3.4 allows at most the BIN and the last four digits to be shown. A run of digits is a card
number if it has a scheme's leading digits and length and a valid check digit (Luhn). What is masked
and what is not is described in docs/card-numbers.md.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from cardops.rules.chargebacks.routing import scheme_of_number

BIN_DIGITS: Final = 6
LAST_DIGITS: Final = 4
MIN_DIGITS: Final = 12
MAX_DIGITS: Final = 19

# No id of ours has more digits (bigint); in longer runs a card number may be anywhere.
MAX_DIGITS_OF_AN_ID: Final = 19
# A timestamp in nanoseconds begins with 1 until 2033.
DIGITS_OF_AN_INSTANT: Final = 19
# The length of a card number adjacent to other digits: by its scheme, else 16.
DIGITS_BY_SCHEME: Final = {"amex": 15, "diners": 14}
_COMMON_DIGITS: Final = 16
_MIN_EMBEDDING_RUN: Final = 17

# Separators between the digits of a number: spaces, dashes, dots, slashes of every width. At most
# three of them, and any number of zero-width characters.
_SPACES: Final = r" \t\x{00a0}\x{1680}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}"
_DASHES: Final = r"_\x{2010}-\x{2015}\x{2212}\x{2e3a}\x{2e3b}\x{fe58}\x{fe63}\x{ff0d}"
_DOTS: Final = r"./\x{00b7}\x{2024}\x{2044}\x{2215}\x{ff0e}\x{ff0f}"
_WIDTHLESS: Final = r"\x{00ad}\x{180e}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{2069}\x{feff}"
_BETWEEN: Final = f"[{_WIDTHLESS}]*(?:[{_SPACES}{_DASHES}{_DOTS}-][{_WIDTHLESS}]*){{0,3}}"
# A cheap test that excludes nearly every text, for whole columns too (in Rust's regex syntax).
CANDIDATE: Final = rf"\d(?:{_BETWEEN}\d){{11}}"


def _as_python(pattern: str) -> str:
    """The pattern in Python's syntax, where a code point has four digits and no braces."""
    return re.sub(r"\\x\{([0-9a-f]{4})\}", r"\\u\1", pattern)


# Runs of digits and separators, split below. Texts without unusual characters take the fast pattern.
_UNUSUAL: Final = re.compile("[\u00a0\u00ad\u00b7\u0660-\U0010ffff]")
_RUN: Final = re.compile(rf"(?<!\d)\d(?:{_as_python(_BETWEEN)}\d){{11,}}")
_ASCII_RUN: Final = re.compile(r"(?<![0-9])[0-9](?:[ \t_./-]{0,3}[0-9]){11,}")
_GROUP: Final = re.compile(r"\d+")
_IN_ID: Final = "[A-Za-z0-9_.:-]"


def passes_luhn(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of the others (ISO/IEC 7812-1, annex B)."""
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (doubled + sum(map(int, digits[::-2]))) % 10 == 0


def is_card_number(digits: str) -> bool:
    """Whether length, leading digits and check digit are those of a card number."""
    if not MIN_DIGITS <= len(digits) <= MAX_DIGITS or len(set(digits)) == 1:
        return False
    return passes_luhn(digits) and scheme_of_number(digits) is not None


def truncate_card_number(digits: str) -> str:
    """`4520880000001234` -> `452088******1234`: the only form in which a number is stored."""
    hidden = "*" * (len(digits) - BIN_DIGITS - LAST_DIGITS)
    return digits[:BIN_DIGITS] + hidden + digits[-LAST_DIGITS:]


def mask_card_numbers(text: str, ids: Sequence[str] = ()) -> str:
    """The text with every card number truncated and without separators; other digits stay.

    `ids` stay whole where they stand by themselves, whatever their digits look like.
    """
    if ids:
        alternatives = "|".join(map(re.escape, sorted(ids, key=len, reverse=True)))
        parts = re.split(f"(?<!{_IN_ID})({alternatives})(?!{_IN_ID})", text)
        # Every second part is an id.
        return "".join(
            part if index % 2 else mask_card_numbers(part) for index, part in enumerate(parts)
        )
    is_usual = text.isascii() or not _UNUSUAL.search(text)
    return (_ASCII_RUN if is_usual else _RUN).sub(_mask_run, text)


def _mask_run(found: re.Match[str]) -> str:
    """A run may hold several numbers; each begins and ends at the border of a group of digits.

    Looking inside groups would take one long order id in ten for a card number, so only groups too
    long for a card number are searched inside.
    """
    run = found[0]
    groups = [(group.start(), group.end()) for group in _GROUP.finditer(run)]
    parts, copied, first = [], 0, 0
    while first < len(groups):
        start, end = groups[first]
        last = _last_group_of_number(run, groups, first)
        if last is not None:
            end, safe = groups[last][1], truncate_card_number(_digits(run[start : groups[last][1]]))
        else:
            last, safe = first, _mask_embedded(run[start:end])
        parts += [run[copied:start], safe]
        copied, first = end, last + 1
    return "".join([*parts, run[copied:]])


def _last_group_of_number(run: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """The last group of the longest card number that begins with group `first`, or None."""
    digits, ends = "", []
    for index, (start, end) in enumerate(groups[first : first + MAX_DIGITS], first):
        digits += _digits(run[start:end])
        if len(digits) > MAX_DIGITS:
            break
        ends.append((index, len(digits)))
    matches = (index for index, size in reversed(ends) if is_card_number(digits[:size]))
    return next(matches, None)


def _mask_embedded(group: str) -> str:
    """A group of digits with the card numbers that are embedded in it truncated.

    Overlapping candidates are masked together, so that no more digits remain than of one.
    """
    size = len(group)
    if size < _MIN_EMBEDDING_RUN:
        return group
    digits, parts, copied = _digits(group), [], 0
    for start, end in _merge_overlaps(_windows(digits)):
        parts += [group[copied:start], truncate_card_number(digits[start:end])]
        copied = end
    return "".join([*parts, group[copied:]])


def _windows(digits: str) -> Iterator[tuple[int, int]]:
    """Where card numbers are: anywhere in a long run, only at either end of what may be an id."""
    if len(digits) == DIGITS_OF_AN_INSTANT and digits[0] == "1":
        return
    for start in range(len(digits)):
        size = DIGITS_BY_SCHEME.get(
            scheme_of_number(digits[start : start + _COMMON_DIGITS]) or "", _COMMON_DIGITS
        )
        end = start + size
        is_at_an_end = start == 0 or end == len(digits)
        if end > len(digits) or not (is_at_an_end or len(digits) > MAX_DIGITS_OF_AN_ID):
            continue
        if is_card_number(digits[start:end]):
            yield start, end


def _merge_overlaps(windows: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The windows in order, overlapping ones merged."""
    merged: tuple[int, int] | None = None
    for start, end in windows:
        if merged is not None and start < merged[1]:
            merged = merged[0], max(merged[1], end)
            continue
        if merged is not None:
            yield merged
        merged = start, end
    if merged is not None:
        yield merged


def _digits(text: str) -> str:
    """The decimal digits of any script, as ASCII."""
    return "".join(str(int(character)) for character in text if character.isdecimal())
