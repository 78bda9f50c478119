"""What the index of known rows holds of each accepted row, and how it is read again.

Belongs here: the layout of an entry. A row's digest is BLAKE2b of text that is spelled out here, never
a hash of polars, whose values may change with its version.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import polars as pl

from cardops.contracts.columns.types import DATE, INSTANT, INTEGER, TEXT
from cardops.contracts.kinds.profile import KindProfile
from cardops.contracts.kinds.registry import Kinds

DIGEST: Final = "content_digest"
ENTRY: Final = pl.Schema(
    {
        "kind": pl.String(),
        "program": pl.String(),
        "lookup_id": pl.String(),
        "intake_id": pl.Int64(),
        "row_number": pl.Int64(),
        DIGEST: pl.String(),
        "row_values": pl.String(),
    }
)
# Raise it where entries of equal columns are written in another way.
_VERSION: Final = "1"
_LATEST: Final = "updated_at"
_VALUES: Final = pl.Struct({"v": pl.List(pl.String())})


@dataclass(frozen=True)
class Layout:
    """Which lake columns of a kind are kept as values; all other content is one digest.

    Rows are found by these columns, compared by them, or take them over.
    """

    profile: KindProfile
    kinds: Kinds

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns whose values are kept."""
        profile = self.profile
        taken = [
            name
            for other in self.kinds.values()
            if other.reference is not None and other.reference.kind == profile.kind
            for name in (other.reference.key, _LATEST, *other.reference.columns)
        ]
        ordered = profile.sequence.columns if profile.sequence else ()
        return tuple(dict.fromkeys([*profile.identity, *profile.immutable, *ordered, *taken]))

    @cached_property
    def content(self) -> tuple[str, ...]:
        """Columns by which a row's content is compared, the digest of the others among them."""
        kept = [name for name in self.columns if name not in self.profile.not_content]
        return (*kept, DIGEST)

    @cached_property
    def name(self) -> str:
        """Changes with everything on which the text of an entry depends."""
        parts = [_VERSION, self.profile.lookup]
        for columns in (self.columns, self._digested):
            parts += [str(len(columns)), *columns]
        text = "\n".join(parts)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def entries(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The entries of rows of the lake table, as in ENTRY."""
        values = pl.struct(v=pl.concat_list(self._texts(self.columns))).struct.json_encode()
        return self.with_digest(rows).select(
            pl.lit(str(self.profile.kind)).alias("kind"),
            "program",
            pl.col(self.profile.lookup).alias("lookup_id"),
            "intake_id",
            "row_number",
            DIGEST,
            values.alias("row_values"),
        )

    def with_digest(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows with `content_digest`."""
        if not self._digested:
            return rows.with_columns(pl.lit(_digest("")).alias(DIGEST))
        # Each text with its length: no two rows with different cells have the same text.
        cells = [
            pl.concat_str(text.str.len_bytes().cast(pl.String), pl.lit(":"), text).fill_null("-")
            for text in self._texts(self._digested)
        ]
        texts = rows.select(pl.concat_str(cells)).to_series()
        digests = pl.Series(DIGEST, [_digest(text) for text in texts], dtype=pl.String)
        return rows.with_columns(digests)

    def decoded(self, entries: pl.DataFrame) -> pl.DataFrame:
        """Entries with their values as the lake's columns."""
        values = pl.col("row_values").str.json_decode(_VALUES).struct.field("v")
        return entries.with_columns(v=values).select(
            "intake_id",
            "row_number",
            DIGEST,
            *(self._typed(index, name) for index, name in enumerate(self.columns)),
        )

    @cached_property
    def _digested(self) -> tuple[str, ...]:
        skipped = {*self.columns, *self.profile.not_content}
        return tuple(name for name in self.profile.row_columns if name not in skipped)

    def _texts(self, names: Sequence[str]) -> list[pl.Expr]:
        return [_text(name, self.profile.lake_table[name]) for name in names]

    def _typed(self, index: int, name: str) -> pl.Expr:
        text, column_type = pl.col("v").list.get(index), self.profile.lake_table[name]
        number = text if column_type == TEXT else text.cast(pl.Int64)
        if column_type == DATE:
            number = number.cast(pl.Int32)
        return number.cast(column_type).alias(name)


class UnknownColumnTypeError(TypeError):
    """A lake column has a type whose text is not spelled out here."""

    def __init__(self, name: str, column_type: pl.DataType) -> None:
        super().__init__(
            f"the lake column {name} has the type {column_type}, whose text in the index of known "
            "rows is not defined: add it to cardops.contracts.judging.known_rows"
        )


def _text(name: str, column_type: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if column_type == TEXT:
        return column
    if column_type == INTEGER:
        return column.cast(pl.String)
    if column_type == INSTANT:
        return column.dt.epoch("us").cast(pl.String)
    if column_type == DATE:
        return column.cast(pl.Int32).cast(pl.String)  # days since 1970
    raise UnknownColumnTypeError(name, column_type)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
