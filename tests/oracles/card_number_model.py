"""A slow, plain model of card number masking: character by character, all windows.

Written from docs/card-numbers.md; uses only the schemes' leading digits of cardops.rules.
"""

import unicodedata

from cardops.rules.chargebacks.routing import scheme_of_number

SEPARATORS = set(" \t_-./")
DASHES = {chr(code) for code in (*range(0x2010, 0x2016), 0x2212, 0x2E3A, 0x2E3B, 0xFE58, 0xFE63, 0xFF0D)}  # fmt: skip
DOTS = {chr(code) for code in (0xB7, 0x2024, 0x2044, 0x2215, 0xFF0E, 0xFF0F)}


def is_widthless(sign: str) -> bool:
    return unicodedata.category(sign) == "Cf" and (
        sign in "\u00ad\u180e\ufeff" or "\u200b" <= sign <= "\u206f"
    )


def is_separator(sign: str) -> bool:
    return sign in SEPARATORS | DASHES | DOTS or unicodedata.category(sign) == "Zs"


def is_number(digits: str) -> bool:
    if not 12 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + index % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0 and scheme_of_number(digits) is not None


def truncate(digits: str) -> str:
    return digits[:6] + "*" * (len(digits) - 10) + digits[-4:]


def mask_slowly(text: str) -> str:
    """At each digit, mask the longest number that begins there, or else one group of digits."""
    masked, position = "", 0
    while position < len(text):
        if not text[position].isdecimal():
            masked, position = masked + text[position], position + 1
            continue
        ends = ends_of_groups(text, position)
        numbers = [end for end in ends if is_number(ascii_digits(text[position:end]))]
        if numbers:
            number = ascii_digits(text[position : numbers[-1]])
            masked, position = masked + truncate(number), numbers[-1]
        else:
            masked, position = masked + mask_embedded(text[position : ends[0]]), ends[0]
    return masked


def ends_of_groups(text: str, position: int) -> list[int]:
    """The end of the group of digits that begins here, and of each that closely follows it."""
    ends = []
    while True:
        while position < len(text) and text[position].isdecimal():
            position += 1
        ends.append(position)
        separators = 0
        while position < len(text) and (
            is_widthless(text[position]) or is_separator(text[position])
        ):
            separators += not is_widthless(text[position])
            position += 1
        if position == len(text) or not text[position].isdecimal() or separators > 3:
            return ends


def mask_embedded(group: str) -> str:
    """Masks all but six digits in front and four at the end of each span of overlapping windows."""
    digits, size = ascii_digits(group), len(group)
    if size < 17 or (size == 19 and digits[0] == "1"):
        return group
    windows = [
        (start, start + length)
        for start in range(size)
        for length in [{"amex": 15, "diners": 14}.get(scheme_of_number(digits[start:]) or "", 16)]
        if start + length <= size and is_number(digits[start : start + length])
        if size > 19 or start == 0 or start + length == size
    ]
    spans: list[list[int]] = []
    for start, end in windows:
        if spans and start < spans[-1][1]:
            spans[-1][1] = max(end, spans[-1][1])
        else:
            spans.append([start, end])
    masked = list(group)
    for start, end in spans:
        masked[start:end] = truncate(digits[start:end])
    return "".join(masked)


def ascii_digits(text: str) -> str:
    return "".join(
        str(unicodedata.decimal(character)) for character in text if character.isdecimal()
    )
