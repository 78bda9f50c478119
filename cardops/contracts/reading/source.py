"""An input file before its rows: format by name, decompression, and header names to columns.

Belongs here: what is decided before any row is read, and why a file is refused whole.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol

import polars as pl

from cardops.contracts.reading.compression import (
    BrokenCompressionError,
    broken_compression,
    decompressed,
    extension_of,
)
from cardops.rules.intake.files import RowReason
from cardops.rules.mappings.mapping import normalised_name

FORMATS: Final = ("csv", "json", "ndjson", "parquet", "xlsx")


class FileRefusedError(Exception):
    """A file that cannot be read at all; the message is the sentence shown to a person."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """Where the rows come from; `key` is the object's path."""

    key: str
    content: BinaryIO

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rsplit("/", 1)[-1]

    def format_among(self, others: Collection[str] = ()) -> str:
        """By extension, that of a compression aside; `others`: beside FORMATS.

        Raises FileRefusedError.
        """
        extension = extension_of(self.name)
        known = [*FORMATS, *others]
        if extension not in known:
            *names, last = (f".{name}" for name in known)
            raise FileRefusedError(
                f"{self.name} is none of {', '.join(names)} and {last} (each also as .gz or .zst), so "
                "nothing was read: rename it after its format and send it again."
            )
        return extension


def opened(source: SourceFile) -> BinaryIO:
    """The bytes, decompressed where the name says so. Raises FileRefusedError if empty."""
    stream = source.content
    if not stream.read(1):
        raise FileRefusedError(f"{source.name} is empty, so nothing was ingested: send it again.")
    stream.seek(0)
    return decompressed(source.name, stream)


@contextmanager
def refusing_broken_compression(name: str) -> Iterator[None]:
    """Turn a truncated or damaged compression into a refusal of the whole file."""
    try:
        with broken_compression():
            yield
    except BrokenCompressionError as error:
        raise FileRefusedError(
            f"{name} ends before its compression does or is damaged ({error}), so no row of it was "
            "ingested: transfer it again."
        ) from error


@dataclass(frozen=True, slots=True)
class Header:
    """Contract column -> its positions in the file, and what is wrong with or left of the header.

    `unknown` names serve no column; `repeated` columns, which the file must have, stand there twice.
    """

    places: dict[str, tuple[int, ...]]
    unknown: tuple[str, ...]
    repeated: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def positions(self) -> dict[str, int]:
        """Contract column -> its first position in the file."""
        return {column: places[0] for column, places in self.places.items()}


class Layout(Protocol):
    """What readers need to know of a file's columns: a contract, or a contract under a mapping.

    `columns` are filled with text, null where the file has none; without those `required` it is
    refused. `amounts` hold money. `number_decimal`: the decimal sign of text, with which numbers are
    written too, so that text means one thing only.
    """

    @property
    def kind(self) -> str:
        """The kind of the file's rows."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns to fill."""

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that the file must have."""

    @property
    def amounts(self) -> frozenset[str]:
        """Columns that hold money."""

    @property
    def number_decimal(self) -> str:
        """The decimal sign of text."""

    def names_of(self, column: str) -> tuple[frozenset[str], ...]:
        """Spellings of a column's names in a header, best first."""


def normalised(name: str) -> str:
    """The form in which header names are compared."""
    return normalised_name(name)


def resolve(names: Sequence[str], layout: Layout) -> Header:
    """Find the best name for each column; each name serves one column."""
    found = [normalised(name) for name in names]
    places: dict[str, tuple[int, ...]] = {}
    used: set[int] = set()
    for column in layout.columns:
        candidates = _positions_of(column, found, layout, used=used)
        if candidates:
            places[column] = tuple(candidates)
            used.update(candidates)
    unknown = (
        name.strip() for position, name in enumerate(names) if position not in used and name.strip()
    )
    return Header(
        places=places,
        unknown=tuple(dict.fromkeys(unknown)),
        repeated=tuple(column for column in layout.required if len(places.get(column, ())) > 1),
        missing=tuple(column for column in layout.required if column not in places),
    )


def placed(chunk: pl.DataFrame, header: Header, layout: Layout) -> pl.DataFrame:
    """A frame whose columns are `0`, `1`, … in the file's order -> one of the layout's columns.

    Where an optional column stands there twice, a row whose values differ is malformed.
    """
    differs = [
        pl.col(str(place)).str.strip_chars(" \t").replace("", None)
        != _merged(places).str.strip_chars(" \t")
        for places in header.places.values()
        if len(places) > 1
        for place in places
    ]
    framing = pl.col("framing")
    if differs:
        is_ambiguous = framing.is_null() & pl.any_horizontal(differs).fill_null(value=False)
        malformed = pl.lit(str(RowReason.MALFORMED_ROW))
        framing = pl.when(is_ambiguous).then(malformed).otherwise(framing).alias("framing")
    columns = (
        _merged(header.places[column]) if column in header.places else pl.lit(None, pl.String)
        for column in layout.columns
    )
    named = (values.alias(column) for values, column in zip(columns, layout.columns, strict=True))
    return chunk.select("row_number", "raw", framing, *named)


def _merged(places: Sequence[int]) -> pl.Expr:
    """The first of a row's values that is not empty."""
    values = [pl.col(str(place)) for place in places]
    return (
        values[0]
        if len(values) == 1
        else pl.coalesce(*(value.replace("", None) for value in values))
    )


def distinct_names(names: Sequence[str]) -> list[str]:
    """The names of cells in a row's own text: each once, also where the header has none."""
    keys: dict[str, None] = {}
    for number, name in enumerate(names, start=1):
        key = name or f"column {number}"
        keys[key if key not in keys else f"{key} (column {number})"] = None
    return list(keys)


def _positions_of(
    column: str, found: Sequence[str], layout: Layout, *, used: set[int]
) -> list[int]:
    """Where the best name stands: the column's own, else its aliases in order."""
    for spellings in layout.names_of(column):
        positions = [
            position
            for position, text in enumerate(found)
            if position not in used and text in spellings
        ]
        if positions:
            return positions
    return []
