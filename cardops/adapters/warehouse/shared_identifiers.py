"""Identifiers that more than one user shows, found by hashes among all that transactions show.

Most identifiers have one user, and comparing all of them as text would cost most of the time. So hashes
are sorted, and only what several users may show is compared as text. Nobody is linked by a hash; a link is
missed only where two users have one hash of 64 bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from cardops.adapters.warehouse.ring_columns import normalised_column
from cardops.adapters.warehouse.ring_components import (
    Hashes,
    Marks,
    Rows,
    differs_from_former,
    numbered,
    ordered,
)
from cardops.contracts.columns.types import INSTANT, TEXT
from cardops.rules.fraud.identifiers import COLUMNS, IdentifierKind

ROWS_AT_ONCE: Final = 1_000_000
# The text of more rows would take too much memory: they are read again when it is known what is shared.
ROWS_KEPT: Final = 2 * ROWS_AT_ONCE
_USER: Final = "user hash"
_SEED: Final = 7
_PROGRAM: Final = pl.col("program").hash(_SEED + 2)
_KINDS: Final = tuple(IdentifierKind)
KEY: Final = ["program", "user_id", "order_id", "identifier_kind", "value"]

_ORIGIN: Final = ("program", "user_id", "created_at")
_SCHEMA: Final = pl.Schema(
    {**dict.fromkeys(KEY, TEXT), **dict.fromkeys(("first_seen_at", "last_seen_at"), INSTANT)}
)
_NONE: Final = pl.DataFrame(schema=_SCHEMA)


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some of the transactions: their hashes, and their text where it is kept."""

    source: pl.LazyFrame
    hashes: pl.DataFrame
    kept: pl.DataFrame | None

    def text(self) -> pl.DataFrame:
        """The columns that are compared."""
        return _read(self.source) if self.kept is None else self.kept


def sightings_of_shared(
    transactions: pl.LazyFrame, *, rows_at_once: int = ROWS_AT_ONCE, rows_kept: int = ROWS_KEPT
) -> pl.DataFrame:
    """Who showed what and when, for identifiers that may be shared; some of one user are among them.

    One row per KEY: first_seen_at, last_seen_at. Where a transaction names no user, `user_id` is null
    and `order_id` says whose it may be; else `order_id` is null.
    """
    row_count = transactions.select(pl.len()).collect().item()
    chunks = [
        _chunk(transactions.slice(offset, rows_at_once), is_kept=offset < rows_kept)
        for offset in range(0, row_count, rows_at_once)
    ]
    if not chunks:
        return _NONE
    shared = {kind: _shared(kind, [chunk.hashes for chunk in chunks]) for kind in _KINDS}
    found: dict[IdentifierKind, list[pl.DataFrame]] = {kind: [] for kind in _KINDS}
    for number, chunk in enumerate(chunks):
        text = chunk.text()
        for kind in _KINDS:
            found[kind].append(_sightings(text, kind, chunk.hashes[kind], shared[kind][number]))
    return pl.concat(_merged(kind, parts) for kind, parts in found.items())


def _chunk(source: pl.LazyFrame, *, is_kept: bool) -> _Chunk:
    text = _read(source)
    return _Chunk(source, _hashes(text), text if is_kept else None)


def _read(source: pl.LazyFrame) -> pl.DataFrame:
    """The columns that are compared; `order_id` is null where every transaction names its user."""
    columns = (*_ORIGIN, *COLUMNS.values())
    rows = source.select(columns).collect(engine="streaming")
    if rows["user_id"].has_nulls():
        return source.select(*columns, "order_id").collect(engine="streaming")
    return rows.with_columns(pl.lit(None, TEXT).alias("order_id"))


def _hashes(rows: pl.DataFrame) -> pl.DataFrame:
    """Hashes of users and identifiers; of a transaction without a user, its order stands for one.

    The hash of an absent identifier is null.
    """
    user = pl.col("user_id").hash(_SEED)
    if rows["user_id"].has_nulls():
        order = pl.col("order_id").hash(_SEED + 1)
        user = pl.when(pl.col("user_id").is_null()).then(order).otherwise(user)
    users = rows.select((user ^ _PROGRAM).alias(_USER))
    return users.with_columns(
        _value_hashes(rows.select("program", _value(kind))).alias(kind) for kind in _KINDS
    )


def _value(kind: IdentifierKind) -> pl.Expr:
    return normalised_column(kind).alias("value")


def _value_hashes(values: pl.DataFrame) -> pl.Series:
    value = pl.col("value")
    return values.select(
        pl.when(value.str.len_bytes() > 0).then(value.hash(_SEED) ^ _PROGRAM)
    ).to_series()


def _shared(kind: IdentifierKind, chunks: Sequence[pl.DataFrame]) -> list[Marks]:
    """For each chunk of hashes, which of its rows have an identifier that several users may show."""
    hashes = pl.concat(chunk.select(_USER, kind.value) for chunk in chunks)
    marks = np.zeros(hashes.height, np.bool_)
    present = hashes[kind].is_not_null().to_numpy().nonzero()[0]
    if len(present) < hashes.height:
        hashes = hashes.drop_nulls(kind)
    marks[present[_rows_of_several(hashes[kind].to_numpy(), hashes[_USER].to_numpy())]] = True
    return np.split(marks, np.cumsum([chunk.height for chunk in chunks])[:-1])


def _rows_of_several(identifiers: Hashes, users: Hashes) -> Rows:
    """The rows whose identifier has several users, and few others."""
    rows, is_first = ordered(identifiers)
    is_alone = is_first.copy()
    is_alone[:-1] &= is_first[1:]
    rows, is_first = rows[~is_alone], is_first[~is_alone]
    is_other_user = differs_from_former(users[rows]) & ~is_first
    identifier = np.cumsum(is_first)
    has_several = np.zeros(len(rows) + 1, np.bool_)
    has_several[identifier[is_other_user]] = True
    return rows[has_several[identifier]]


def _sightings(
    rows: pl.DataFrame, kind: IdentifierKind, hashes: pl.Series, shared: Marks
) -> pl.DataFrame:
    """Rows of that chunk whose identifier several users may show."""
    needed = rows.select(*_ORIGIN, "order_id", COLUMNS[kind])
    marks = pl.Series(shared)
    # After a file of the lake was replaced, rows are no longer where they were hashed.
    if needed.height == len(shared):
        found = _with_value(needed.filter(marks), kind)
        if _value_hashes(found).equals(hashes.filter(marks)):
            return found
    every = _with_value(needed, kind)
    return every.filter(_value_hashes(every).is_in(hashes.filter(marks).implode()))


def _with_value(rows: pl.DataFrame, kind: IdentifierKind) -> pl.DataFrame:
    order = pl.when(pl.col("user_id").is_null()).then("order_id")
    return rows.select(*_ORIGIN, order.alias("order_id"), _value(kind))


def _merged(kind: IdentifierKind, sightings: list[pl.DataFrame]) -> pl.DataFrame:
    """One row per KEY of that kind."""
    together = pl.concat(sightings)
    found = numbered(together, [name for name in KEY if name != "identifier_kind"])
    seen = pl.col("created_at")
    times = together.select(seen.alias("first_seen_at"), seen.alias("last_seen_at"))
    if len(found.first_rows) < together.height:
        codes = pl.Series("code", found.codes)
        by_code = times.group_by(codes).agg(
            pl.col("first_seen_at").min(), pl.col("last_seen_at").max()
        )
        times = by_code.sort("code").drop("code")
        together = together[found.first_rows]
    rows = together.hstack(times)
    return rows.select(
        pl.lit(kind.value).alias(name) if name == "identifier_kind" else name for name in _SCHEMA
    )
