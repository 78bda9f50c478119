"""Random choices by percentage."""

from random import Random


def happens(rng: Random, percent: int) -> bool:
    """True for that percentage of calls."""
    return rng.randrange(100) < percent
