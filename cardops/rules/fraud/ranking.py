"""The order in which rings are shown."""

from typing import Final

# The most of each list and picture that people see at once; the marts have all of them.
SHOWN_RINGS: Final = 12
DRAWN_RINGS: Final = 6
DRAWN_MEMBERS: Final = 24


def rank_key(
    ring_id: str, member_count: int, dispute_count: int, *, is_oversized: bool
) -> tuple[bool, int, int, str]:
    """Sorts the largest ring first, of equal ones that with more disputes; oversized ones come last.

    Money does not order rings: amounts of different currencies have no sum.
    """
    return (is_oversized, -member_count, -dispute_count, ring_id)
