"""Parquet to chunks of text. Amounts must be decimals or text: a double has lost its digits.

Belongs here: columns of a file, and what refuses it whole. Typed values to text are in `parquet_texts`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from cardops.contracts.reading.parquet_texts import Texts, is_number, texts_of
from cardops.contracts.reading.source import (
    FileRefusedError,
    Header,
    Layout,
    distinct_names,
    placed,
    resolve,
)
from cardops.rules.intake.files import RowReason

CHUNK_ROWS: Final = 50_000
# Fewer rows at once where they are large, by what the file says of its row groups.
CHUNK_BYTES: Final = 64 * 1024 * 1024
# A column of a row group is read in such parts: a file may be one row group.
_BUFFER_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the file, or one value of a nested payment method; without `index` it is empty."""

    name: str
    kind: pa.DataType
    index: int | None
    child: str | None = None

    def values(self, batch: pa.RecordBatch) -> pa.Array:
        if self.index is None:
            return pa.nulls(batch.num_rows, pa.string())
        column = batch.column(self.index)
        # Flat, so that a value of a method that is null is null too.
        return column.flatten()[column.type.get_field_index(self.child)] if self.child else column


class ParquetRows:
    """The rows of a Parquet file, in chunks with the contract's columns as text."""

    def __init__(self, name: str, stream: BinaryIO, layout: Layout) -> None:
        """Raises FileRefusedError."""
        self._name = name
        self._layout = layout
        try:
            self._file = pq.ParquetFile(stream, pre_buffer=False, buffer_size=_BUFFER_BYTES)
        except (pa.ArrowException, OSError) as error:
            raise FileRefusedError(
                f"{name} is not a readable Parquet file, so nothing was ingested: send it again."
            ) from error
        self._columns = _flat_columns(self._file.schema_arrow)
        names = [column.name for column in self._columns]
        self._keys = distinct_names(names)
        self.header: Header = resolve(names, layout)
        self._refuse_floating_point()

    def chunks(self) -> Iterator[pl.DataFrame]:
        """Frames of `row_number`, `raw`, `framing` and the contract's columns."""
        row_number = 0
        yield self._frame(_no_rows(self._file.schema_arrow), row_number)
        try:
            for batch in self._file.iter_batches(self._batch_rows()):
                yield self._frame(batch, row_number)
                row_number += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise FileRefusedError(
                f"{self._name} is damaged, so no row of it was ingested: send it again."
            ) from error

    def _batch_rows(self) -> int:
        metadata = self._file.metadata
        groups = map(metadata.row_group, range(metadata.num_row_groups))
        row_bytes = max(
            (group.total_byte_size // max(group.num_rows, 1) for group in groups), default=0
        )
        return max(1, min(CHUNK_ROWS, CHUNK_BYTES // max(row_bytes, 1)))

    def _frame(self, batch: pa.RecordBatch, row_number: int) -> pl.DataFrame:
        found = [texts_of(column.values(batch)) for column in self._columns]
        raw = pl.DataFrame(
            {key: texts.values for key, texts in zip(self._keys, found, strict=True)}
        ).select(pl.struct(pl.all()).struct.json_encode())
        frame = pl.DataFrame(
            {
                "row_number": pl.int_range(batch.num_rows, dtype=pl.Int64, eager=True)
                + (row_number + 1),
                "raw": raw.to_series() if self._columns else pl.Series(dtype=pl.String),
                "framing": self._framing(found, batch.num_rows),
                **{str(place): texts.values for place, texts in enumerate(found)},
            }
        )
        return placed(frame.with_columns(self._written_as_text()), self.header, self._layout)

    def _framing(self, found: list[Texts], rows: int) -> pl.Series:
        """Only what is read matters."""
        framing = pl.repeat(None, rows, dtype=pl.String, eager=True)
        for places in self.header.places.values():
            for place in places:
                if found[place].bad:
                    framing = framing.scatter(found[place].bad, str(RowReason.BAD_ENCODING))
        return framing

    def _written_as_text(self) -> list[pl.Expr]:
        """Numbers of amounts with the decimal sign of text, so that text means one thing only."""
        sign = self._layout.number_decimal
        return [
            pl.col(str(place)).str.replace(".", sign, literal=True)
            for column, places in self.header.places.items()
            for place in places
            if sign != "."
            and column in self._layout.amounts
            and is_number(self._columns[place].kind)
        ]

    def _refuse_floating_point(self) -> None:
        for column in self._layout.amounts & self.header.places.keys():
            for place in self.header.places[column]:
                if pa.types.is_floating(self._columns[place].kind):
                    raise FileRefusedError(
                        f"Column {self._columns[place].name} of {self._name} holds money as floating "
                        "point, which has lost its exact digits, so nothing was ingested: write "
                        "decimals or text."
                    )


def _flat_columns(schema: pa.Schema) -> list[_Column]:
    """The columns; a nested `payment_method: {type, provider}` as two."""
    names = set(schema.names)
    found = []
    for index, field in enumerate(schema):
        if not _is_nested_method(field):
            found.append(_Column(field.name, field.type, index))
            continue
        found.append(_Column(field.name, field.type.field("type").type, index, "type"))
        if "provider" not in names:
            place = field.type.get_field_index("provider")
            kind = field.type.field(place).type if place >= 0 else pa.string()
            found.append(_Column("provider", kind, index if place >= 0 else None, "provider"))
    return found


def _is_nested_method(field: pa.Field) -> bool:
    is_method = field.name.replace("_", "").lower() == "paymentmethod"
    is_struct = bool(is_method and pa.types.is_struct(field.type))
    return is_struct and bool(field.type.get_field_index("type") >= 0)


def _no_rows(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)
