"""Ring ids that stay from one snapshot to the next, and what merged or split in between.

Belongs here: which of today's rings continues which of the former ones. Nothing depends on the order
in which rows were read: rings are compared by their members alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Final

# Hexadecimal digits of a ring's id: rings that are new on one date must not meet.
_DIGITS: Final = 12

Member = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many members of a former ring are in one of today's; `ring` is its position among them."""

    former_id: str
    ring: int
    member_count: int


@dataclass(frozen=True, slots=True)
class RingIdentity:
    """A ring's id, and the former rings besides its own from which members came.

    `merged_from`: rings that no ring of today continues. `split_from`: rings that go on elsewhere.
    """

    ring_id: str
    is_new: bool
    merged_from: tuple[str, ...] = ()
    split_from: tuple[str, ...] = ()


def identify(
    first_members: Sequence[Member], overlaps: Iterable[Overlap], on: date
) -> list[RingIdentity]:
    """The identities of today's rings, given the first member (program, user) of each.

    The pair with the most members in common goes first, then the older ring, then the ring whose
    first member comes first; each former id goes to one ring, and each ring gets one id.
    """
    pairs = sorted(
        overlaps,
        key=lambda pair: (-pair.member_count, pair.former_id, first_members[pair.ring]),
    )
    continued: dict[int, str] = {}
    given: set[str] = set()
    for pair in pairs:
        if pair.ring not in continued and pair.former_id not in given:
            continued[pair.ring] = pair.former_id
            given.add(pair.former_id)
    others: dict[int, list[str]] = {}
    for pair in pairs:
        if continued.get(pair.ring) != pair.former_id:
            others.setdefault(pair.ring, []).append(pair.former_id)
    return [
        _identity(continued.get(ring), new_ring_id(first, on), others.get(ring, ()), given)
        for ring, first in enumerate(first_members)
    ]


def _identity(
    continued: str | None, new_id: str, others: Sequence[str], given: set[str]
) -> RingIdentity:
    return RingIdentity(
        continued or new_id,
        is_new=continued is None,
        merged_from=tuple(sorted(former for former in others if former not in given)),
        split_from=tuple(sorted(former for former in others if former in given)),
    )


def new_ring_id(first_member: Member, on: date) -> str:
    """`ring-<date>-<digits>`; older ids sort first. No two rings of a date share a first member."""
    digest = sha256("\0".join(first_member).encode()).hexdigest()
    return f"ring-{on.isoformat()}-{digest[:_DIGITS]}"
