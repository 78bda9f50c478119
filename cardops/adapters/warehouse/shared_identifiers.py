"""Identifiers that more than one user shows, found in two passes over the transactions.

Most identifiers have one user, and comparing all of them as text would cost most of the time. The first
pass compares hashes in a fixed table and marks whatever may be shared; the second takes only that as
text. So nobody is linked by a hash; a link is missed only where two users have one hash of 64 bits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from cardops.adapters.warehouse.ring_columns import normalised_column
from cardops.contracts.columns.types import INSTANT, TEXT
from cardops.rules.fraud.identifiers import COLUMNS, IdentifierKind

ROWS_AT_ONCE: Final = 2_000_000
# Places of a table for each row, so that few identifiers meet in one place; and the largest table.
_PLACES_A_ROW: Final = 4
_MIN_BITS: Final = 12
_MAX_BITS: Final = 25
_HASH_BITS: Final = 64
_USER: Final = "user hash"
_IS_UNNAMED: Final = "is unnamed"
_SEED: Final = 7
_PROGRAM: Final = pl.col("program").hash(_SEED + 2)
_KINDS: Final = tuple(IdentifierKind)
KEY: Final = ["program", "user_id", "order_id", "identifier_kind", "value"]

_ORIGIN: Final = ("program", "user_id", "order_id", "created_at")
_SCHEMA: Final = pl.Schema(
    {**dict.fromkeys(KEY, TEXT), **dict.fromkeys(("first_seen_at", "last_seen_at"), INSTANT)}
)
_NONE: Final = pl.DataFrame(schema=_SCHEMA)

Hashes = npt.NDArray[np.uint64]
Marks = npt.NDArray[np.bool_]


def sightings_of_shared(
    transactions: pl.LazyFrame, *, rows_at_once: int = ROWS_AT_ONCE, bits: int | None = None
) -> pl.DataFrame:
    """Who showed what and when, for identifiers that may be shared; some of one user are among them.

    One row per KEY: first_seen_at, last_seen_at. Where a transaction names no user, `user_id` is null
    and `order_id` says whose it may be; else `order_id` is null. A table has 2 to the power of `bits`
    places, by the number of rows unless given.
    """
    row_count = transactions.select(pl.len()).collect().item()
    bits = bits or min(max((row_count * _PLACES_A_ROW).bit_length(), _MIN_BITS), _MAX_BITS)
    chunks = [
        transactions.slice(offset, rows_at_once) for offset in range(0, row_count, rows_at_once)
    ]
    if not chunks:
        return _NONE
    marks = _marked(chunks, bits)
    found: dict[IdentifierKind, list[pl.DataFrame]] = {kind: [] for kind in _KINDS}
    for number, chunk in enumerate(chunks):
        rows = chunk.select(*_ORIGIN, *COLUMNS.values()).collect(engine="streaming")
        for kind in _KINDS:
            found[kind].append(_sightings(rows, kind, marks[kind], number))
    return pl.concat(_merged(kind, parts) for kind, parts in found.items())


def _merged(kind: IdentifierKind, sightings: list[pl.DataFrame]) -> pl.DataFrame:
    """One row per KEY of that kind."""
    key = [name for name in KEY if name != "identifier_kind"]
    seen = pl.col("created_at")
    together = (
        pl.concat(sightings)
        .group_by(key)
        .agg(seen.min().alias("first_seen_at"), seen.max().alias("last_seen_at"))
    )
    return together.select(
        pl.lit(kind.value).alias(name) if name == "identifier_kind" else name for name in _SCHEMA
    )


@dataclass(frozen=True, slots=True)
class _Marked:
    """Places of one kind's table where an identifier of several users may be, and rows that are there."""

    places: Marks
    bits: int
    rows: list[Marks]

    def has(self, hashes: pl.Series) -> pl.Series:
        """Which of the hashes are in a marked place."""
        return pl.Series(self.places[_places(hashes, self.bits)])


def _marked(chunks: list[pl.LazyFrame], bits: int) -> Mapping[IdentifierKind, _Marked]:
    hashes = [_hashes(chunk) for chunk in chunks]
    room = np.zeros(1 << bits, np.uint64)
    return {kind: _marked_of(kind, hashes, room, bits) for kind in _KINDS}


def _hashes(chunk: pl.LazyFrame) -> pl.DataFrame:
    """Hashes of users and identifiers; of a transaction without a user, its order stands for one.

    An absent identifier has a hash as well, whose rows the second pass leaves out.
    """
    is_unnamed = pl.col("user_id").is_null()
    user = pl.col("user_id").hash(_SEED)
    identifiers = [_hash(normalised_column(kind)).alias(kind.value) for kind in _KINDS]
    hashes = chunk.select(
        (user ^ _PROGRAM).alias(_USER), is_unnamed.alias(_IS_UNNAMED), *identifiers
    ).collect(engine="streaming")
    if not hashes[_IS_UNNAMED].any():
        return hashes
    who = pl.when(is_unnamed).then(pl.col("order_id").hash(_SEED + 1)).otherwise(user)
    named = chunk.select((who ^ _PROGRAM).alias(_USER)).collect(engine="streaming")
    return hashes.with_columns(named.to_series())


def _hash(value: pl.Expr) -> pl.Expr:
    return value.hash(_SEED) ^ _PROGRAM


def _marked_of(
    kind: IdentifierKind, hashes: list[pl.DataFrame], room: Hashes, bits: int
) -> _Marked:
    """`room`: in each place the last user that was put there."""
    places = [_places(chunk[kind], bits) for chunk in hashes]
    users = [chunk[_USER].to_numpy() for chunk in hashes]
    for where, own in zip(places, users, strict=True):
        room[where] = own
    is_mixed = np.zeros(1 << bits, np.bool_)
    for where, own in zip(places, users, strict=True):
        # Where all users of a place are one, each of them finds itself there.
        is_mixed[where[room[where] != own]] = True
    # Several identifiers may have met in a place: only those of several users stay marked.
    met = pl.concat(
        chunk.select(kind.value, _USER).filter(pl.Series(is_mixed[where]))
        for chunk, where in zip(hashes, places, strict=True)
    )
    shared = met.group_by(kind.value).agg(pl.col(_USER).min().alias("first"), pl.col(_USER).max())
    marks = np.zeros(1 << bits, np.bool_)
    marks[_places(shared.filter(pl.col("first") != pl.col(_USER))[kind], bits)] = True
    return _Marked(marks, bits, [marks[where] for where in places])


def _places(hashes: pl.Series, bits: int) -> npt.NDArray[np.int64]:
    return (hashes.to_numpy() >> np.uint64(_HASH_BITS - bits)).astype(np.int64)


def _sightings(
    rows: pl.DataFrame, kind: IdentifierKind, marked: _Marked, chunk: int
) -> pl.DataFrame:
    """Rows of that chunk whose identifier is in a marked place."""
    value = normalised_column(kind).alias("value")
    # After a file of the lake was replaced, rows are no longer where the first pass saw them.
    is_like_before = rows.height == len(marked.rows[chunk])
    expected = rows.filter(pl.Series(marked.rows[chunk])) if is_like_before else rows
    found = expected.select(*_ORIGIN, value)
    if not (is_like_before and marked.has(_value_hashes(found)).all()):
        every = rows.select(*_ORIGIN, value)
        found = every.filter(marked.has(_value_hashes(every)))
    return found.filter(pl.col("value").str.len_bytes() > 0).with_columns(
        pl.when(pl.col("user_id").is_null()).then("order_id").alias("order_id")
    )


def _value_hashes(rows: pl.DataFrame) -> pl.Series:
    return rows.select(_hash(pl.col("value"))).to_series()
