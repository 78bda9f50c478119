"""Chance, by share: what happens to so many in a hundred."""

from random import Random


def happens(rng: Random, percent: int) -> bool:
    """True for that share of calls."""
    return rng.randrange(100) < percent
