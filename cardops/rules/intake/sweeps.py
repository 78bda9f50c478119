"""Where in a large bucket to look for new files, and how far a sweep of all of it has come.

Names mostly carry a date (`acme/2026-11-20/a.csv`, `acme/deposits-20261120.csv`): what comes before the date is
their stem. Of each stem the names of recent dates are looked at often; everything is looked at in turn, page
after page, which finds late files under old dates and names without any.

Belongs here: names, dates, and what is remembered. Listing is done elsewhere.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from typing import Final

# Stems of a kind whose recent names are looked at; those with the newest dates stay.
MAX_STEMS: Final = 8
# A date is recent from so many days ago until the day after tomorrow: senders' clocks and zones differ.
RECENT_DAYS: Final = 2
_DATE: Final = re.compile(r"(20\d\d)([-_/]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)")


@dataclass(frozen=True, slots=True)
class Stem:
    """Names with a date after `prefix`, whose parts `separator` joins. `newest`: the last date seen, ISO.

    `after`: the name after which the next look at recent dates goes on; empty: at the first of them.
    """

    prefix: str
    separator: str
    newest: str
    after: str = ""

    def first_name(self, today: date) -> str:
        """What every name of a recent date comes after."""
        return self.prefix + self._dated(today - timedelta(days=RECENT_DAYS))

    def end_name(self, today: date) -> str:
        """What every name of a recent date comes before."""
        return self.prefix + self._dated(today + timedelta(days=2))

    def start_name(self, today: date) -> str:
        """Where the next look begins."""
        first = self.first_name(today)
        return self.after if first < self.after < self.end_name(today) else first

    def _dated(self, day: date) -> str:
        return self.separator.join((f"{day:%Y}", f"{day:%m}", f"{day:%d}"))


@dataclass(frozen=True, slots=True)
class Sweep:
    """`after`: the key after which the sweep of everything goes on; empty: at the beginning."""

    after: str = ""
    stems: tuple[Stem, ...] = field(default=())

    @classmethod
    def parse(cls, text: str) -> "Sweep":
        """What `text` stored; a sweep that begins where there is none, or it is unreadable."""
        try:
            stored = json.loads(text or "{}")
            stems = tuple(Stem(**stem) for stem in stored.get("stems", ()))
            return cls(str(stored.get("after", "")), stems[:MAX_STEMS])
        except (ValueError, TypeError, AttributeError):
            return cls()

    def text(self) -> str:
        """As it is stored; its length is bounded by that of keys."""
        return json.dumps(asdict(self), separators=(",", ":"))

    def learned(self, keys: Iterable[str]) -> "Sweep":
        """With the stems of these keys; beyond the limit those with the oldest dates are forgotten."""
        stems = {(stem.prefix, stem.separator): stem for stem in self.stems}
        for key in keys:
            found = stem_of(key)
            if found is None:
                continue
            name = (found.prefix, found.separator)
            known = stems.setdefault(name, found)
            if known.newest < found.newest:
                stems[name] = replace(known, newest=found.newest)
        newest = sorted(stems.values(), key=lambda stem: (stem.newest, stem.prefix), reverse=True)
        return replace(self, stems=tuple(newest[:MAX_STEMS]))


def stem_of(key: str) -> Stem | None:
    """The stem of a key, by the first date in it; None where it has none."""
    found = _DATE.search(key)
    if found is None:
        return None
    year, separator, month, day = found.groups()
    return Stem(key[: found.start()], separator, f"{year}-{month}-{day}")
