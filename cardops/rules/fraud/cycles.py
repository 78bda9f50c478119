"""Cycles between users and chargebacks.

A user touches a chargeback of an own transaction, and one whose transaction shows an identifier that
links the user into the ring. Two users who touch the same two chargebacks close a cycle: user, chargeback,
user, chargeback. One chargeback alone never does, however many users touch it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TouchGraph:
    """Users and chargebacks of one ring: how many touch each other, and in how many separate parts."""

    touch_count: int
    user_count: int
    chargeback_count: int
    part_count: int

    @property
    def cycle_count(self) -> int:
        """Independent cycles: touches beyond those that hold each part together.

        A part of n users and chargebacks needs n - 1 touches; each further one closes a cycle.
        """
        return self.touch_count - (self.user_count + self.chargeback_count) + self.part_count
