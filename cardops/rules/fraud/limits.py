"""How many users an identifier may link, by kind, and how many members a ring may have.

Belongs here: reading the dated table of limits. An identifier above its limit is a hub and links nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from cardops.rules.data_tables import is_valid_on, read_table
from cardops.rules.fraud.identifiers import IdentifierKind

TABLE: Final = "ring_limits"
RING: Final = "ring"


@dataclass(frozen=True, slots=True)
class RingLimits:
    """The most users of an identifier that still links them, by kind; and the most members of a ring.

    A larger ring is marked as oversized and kept whole: more likely a limit is too high than that so
    many people act together.
    """

    max_users: Mapping[IdentifierKind, int]
    max_members: int

    def is_hub(self, kind: IdentifierKind, user_count: int) -> bool:
        """Whether an identifier that so many users show links nobody."""
        return user_count > self.max_users[kind]


def ring_limits(on: date) -> RingLimits:
    """The limits that are valid on the date."""
    rows = {row["subject"]: row for row in read_table(TABLE) if is_valid_on(row, on)}
    return RingLimits(
        {kind: int(rows[kind]["max_users"]) for kind in IdentifierKind},
        int(rows[RING]["max_users"]),
    )
