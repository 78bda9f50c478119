"""Card numbers in free text, found in the slowest and plainest way: sign by sign, all windows.

Written from docs/card-numbers.md; of cardops.rules it knows only the schemes' leading digits.
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


def looks_like_a_number(digits: str) -> bool:
    if not 12 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0 and scheme_of_number(digits) is not None


def hidden(digits: str) -> str:
    return digits[:6] + "*" * (len(digits) - 10) + digits[-4:]


def masked_slowly(text: str) -> str:
    """Reads to the next digit, and there takes the longest number, or one group of digits."""
    found, place = "", 0
    while place < len(text):
        if not text[place].isdecimal():
            found, place = found + text[place], place + 1
            continue
        ends = ends_of_groups(text, place)
        numbers = [end for end in ends if looks_like_a_number(ascii_digits(text[place:end]))]
        if numbers:
            found, place = found + hidden(ascii_digits(text[place : numbers[-1]])), numbers[-1]
        else:
            found, place = found + glued(text[place : ends[0]]), ends[0]
    return found


def ends_of_groups(text: str, place: int) -> list[int]:
    """Where the group of digits that begins here ends, and each that follows it closely."""
    ends = []
    while True:
        while place < len(text) and text[place].isdecimal():
            place += 1
        ends.append(place)
        separators = 0
        while place < len(text) and (is_widthless(text[place]) or is_separator(text[place])):
            separators += not is_widthless(text[place])
            place += 1
        if place == len(text) or not text[place].isdecimal() or separators > 3:
            return ends


def glued(group: str) -> str:
    """Hides every sign of a window but six in front and four at the end of all that overlap."""
    digits, size = ascii_digits(group), len(group)
    if size < 17 or (size == 19 and digits[0] == "1"):
        return group
    windows = [
        (start, start + length)
        for start in range(size)
        for length in [{"amex": 15, "diners": 14}.get(scheme_of_number(digits[start:]) or "", 16)]
        if start + length <= size and looks_like_a_number(digits[start : start + length])
        if size > 19 or start == 0 or start + length == size
    ]
    spans: list[list[int]] = []
    for start, end in windows:
        if spans and start < spans[-1][1]:
            spans[-1][1] = max(end, spans[-1][1])
        else:
            spans.append([start, end])
    found = list(group)
    for start, end in spans:
        found[start:end] = hidden(digits[start:end])
    return "".join(found)


def ascii_digits(text: str) -> str:
    return "".join(str(unicodedata.decimal(sign)) for sign in text if sign.isdecimal())
