"""Date formats of senders: strptime's directives as patterns, and the ISO 8601 text of what matches.

Belongs here: one text at a time. cardops.contracts.reading.mapped_times does the same for whole columns
with the same patterns.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import pairwise, product
from typing import Final

from cardops.rules.mappings.amounts import literal

# Directive -> group of the pattern, its digits beside other text, and beside another directive.
_DIRECTIVES: Final = {
    "Y": ("year", "[0-9]{4}", "[0-9]{4}"),
    "y": ("short_year", "[0-9]{2}", "[0-9]{2}"),
    "m": ("month", "[0-9]{1,2}", "[0-9]{2}"),
    "b": ("month_name", "[A-Za-z]{3}", "[A-Za-z]{3}"),
    "d": ("day", "[0-9]{1,2}", "[0-9]{2}"),
    "H": ("hour", "[0-9]{1,2}", "[0-9]{2}"),
    "I": ("half_hour", "[0-9]{1,2}", "[0-9]{2}"),
    "M": ("minute", "[0-9]{2}", "[0-9]{2}"),
    "S": ("second", "[0-9]{2}", "[0-9]{2}"),
    "f": ("fraction", "[0-9]{1,9}", "[0-9]{1,9}"),
    "p": ("half", "[AaPp][Mm]", "[AaPp][Mm]"),
    "z": ("offset", "(?:Z|[+-][0-9]{2}:?[0-9]{2})", "(?:Z|[+-][0-9]{2}:?[0-9]{2})"),
}
MONTHS: Final = (
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
)  # fmt: skip
MAX_FORMAT_CHARACTERS: Final = 40
_TOKEN: Final = re.compile(r"%(.)|([^%]+)|%$", re.DOTALL)
# Days that differ in every part, so that two readings of one text can be told apart.
_SAMPLES: Final = (
    datetime(2026, 3, 4, 5, 6, 7, 890000),  # noqa: DTZ001 - a text of a day, in no zone
    datetime(2011, 12, 10, 9, 8, 7),  # noqa: DTZ001 - the same
)


@dataclass(frozen=True)
class DateFormat:
    """A format such as `%d.%m.%Y %H:%M`. A two-digit year is one of this century."""

    text: str

    @property
    def problem(self) -> str | None:
        """What makes it unusable, or None."""
        names = [name for name, _ in self._tokens if name]
        unknown = [name for name in names if name not in _DIRECTIVES]
        if len(self.text) > MAX_FORMAT_CHARACTERS:
            return f"is longer than {MAX_FORMAT_CHARACTERS} characters"
        if unknown:
            return f"has %{unknown[0]}, which is none of %{' %'.join(_DIRECTIVES)}"
        if len(names) != len(set(names)):
            return "has a directive twice"
        for either in (("Y", "y"), ("m", "b"), ("d",)):
            if sum(name in names for name in either) != 1:
                return f"needs one of %{' or %'.join(either)}"
        return _problem_of_time(names)

    @property
    def has_time(self) -> bool:
        """Whether it holds a time of day."""
        return any(name in {"H", "I"} for name, _ in self._tokens)

    @cached_property
    def pattern(self) -> str:
        """A regular expression with named groups, which Python and Rust read alike."""
        parts = ["^"]
        tokens = [("", ""), *self._tokens, ("", "")]
        neighbours = [
            bool(before[0]) or bool(after[0])
            for (before, _), (_, after) in pairwise(pairwise(tokens))
        ]
        for (name, text), is_beside in zip(self._tokens, neighbours, strict=True):
            if name:
                group, alone, beside = _DIRECTIVES[name]
                parts.append(f"(?P<{group}>{beside if is_beside else alone})")
            else:
                parts.append(literal(text))
        return "".join([*parts, "$"])

    @property
    def groups(self) -> frozenset[str]:
        """Names of the pattern's groups."""
        return frozenset(_DIRECTIVES[name][0] for name, _ in self._tokens if name)

    def iso(self, text: str) -> str | None:
        """The text in ISO 8601, also of a day that no calendar has; None where it does not match."""
        found = re.fullmatch(self.pattern[1:-1], text)
        if found is None:
            return None
        part = found.groupdict()
        year = part.get("year") or f"20{part['short_year']}"
        month = part.get("month") or _month(part["month_name"])
        day = f"{year}-{month:0>2}-{part['day']:0>2}"
        if not self.has_time:
            return day
        fraction = f".{part['fraction']}" if part.get("fraction") else ""
        time = f"T{_hour(part)}:{part.get('minute') or '00'}:{part.get('second') or '00'}"
        return f"{day}{time}{fraction}{part.get('offset') or ''}"

    @cached_property
    def _tokens(self) -> list[tuple[str, str]]:
        """(directive, "") or ("", literal text)."""
        tokens: list[tuple[str, str]] = []
        for name, text in _TOKEN.findall(self.text):
            is_percent = name == "%"
            tokens.append(("", "%") if is_percent else (name, text) if name or text else ("%", ""))
        return tokens


def ambiguity(formats: tuple[DateFormat, ...]) -> str | None:
    """A text that two of the formats read as different days, or None; ISO 8601 is always one."""
    every = (*_ISO, *formats)
    for one, other, sample in product(every, every, _SAMPLES):
        text = _rendered(one, sample)
        if other.iso(text) not in {None, one.iso(text)}:
            return text
    return None


# How times without an offset are written in ISO 8601, which a mapping's formats must not contradict.
_ISO: Final = tuple(map(DateFormat, ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S")))


def _rendered(date_format: DateFormat, sample: datetime) -> str:
    text = date_format.text.replace("%z", "+0000").replace("%f", f"{sample.microsecond:06d}")
    return sample.strftime(text)


def _problem_of_time(names: list[str]) -> str | None:
    found = {name for name in names if name in "HIMSfpz"}
    if ("I" in found) != ("p" in found):
        return "needs %I and %p together"
    if "H" in found and "I" in found:
        return "needs one of %H or %I"
    needed = (("f", "S"), ("S", "M"))
    if any(later in found and earlier not in found for later, earlier in needed):
        return "has seconds without minutes, or fractions without seconds"
    if found and not found & {"H", "I"}:
        return "has a time of day without its hour"
    return None


def _month(name: str) -> str:
    """A name of no month becomes a month that no calendar has."""
    lowered = name.lower()
    return str(MONTHS.index(lowered) + 1) if lowered in MONTHS else "00"


def _hour(part: dict[str, str | None]) -> str:
    hour = part.get("hour")
    if hour is not None:
        return f"{hour:0>2}"
    number = int(part["half_hour"] or "0")
    if not 1 <= number <= 12:  # noqa: PLR2004 - a clock's hours
        return "99"
    is_afternoon = (part["half"] or "").lower() == "pm"
    return f"{number % 12 + 12 * is_afternoon:02d}"
