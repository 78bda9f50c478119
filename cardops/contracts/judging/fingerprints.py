"""Hashes of whole columns, by which rows of one run are compared; they are stored nowhere."""

from collections.abc import Sequence
from typing import Final

import polars as pl

# Two 64-bit hashes of one value are compared, so that text of whole files need not stay in memory.
_SEEDS: Final = (0, 7_919)


def hashes(name: str, columns: Sequence[str]) -> list[pl.Expr]:
    """The hashes of these columns together, named as `hash_names` says."""
    value = pl.struct(columns)
    pairs = zip(hash_names(name), _SEEDS, strict=True)
    return [value.hash(seed).alias(hash_name) for hash_name, seed in pairs]


def hash_names(name: str) -> list[str]:
    """The names of the hashes of one value."""
    return [f"{name} {index}" for index in range(len(_SEEDS))]
