"""Parquet to chunks of text. Amounts must be decimals or text: a double has lost its digits.

Belongs here: typed columns to text, which the contracts judge.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from cardops.contracts.reading.source import FileRefusedError, Header, Layout, resolve
from cardops.rules.card_numbers import mask_card_numbers
from cardops.rules.intake.files import RowReason

CHUNK_ROWS: Final = 50_000


class ParquetRows:
    """The rows of a Parquet file, in chunks with the contract's columns as text."""

    def __init__(self, name: str, stream: BinaryIO, layout: Layout) -> None:
        self._name = name
        self._layout = layout
        try:
            self._file = pq.ParquetFile(stream)
        except (pa.ArrowException, OSError) as error:
            raise FileRefusedError(
                f"{name} is not a readable Parquet file, so nothing was ingested: send it again."
            ) from error
        self._refuse_repeated_names()
        self._fields = _flat_fields(self._file.schema_arrow)
        self.header: Header = resolve(list(self._fields), layout)
        self._refuse_floating_point()

    def chunks(self) -> Iterator[pl.DataFrame]:
        """Frames of `row_number`, `raw`, `framing` and the contract's columns."""
        row_number = 0
        yield self._frame(self._file.schema_arrow.empty_table(), row_number)
        try:
            for batch in self._file.iter_batches(CHUNK_ROWS):
                yield self._frame(pa.Table.from_batches([batch]), row_number)
                row_number += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise FileRefusedError(
                f"{self._name} is damaged, so no row of it was ingested: send it again."
            ) from error

    def _frame(self, table: pa.Table, row_number: int) -> pl.DataFrame:
        flat = _flattened(table)
        texts = pl.DataFrame({name: _text(flat.column(name)) for name in flat.column_names})
        names = {
            list(self._fields)[index]: column for column, index in self.header.positions.items()
        }
        texts = texts.with_columns(self._written_as_text(names))
        is_bad = pl.any_horizontal(
            *(
                pl.col(name).str.contains("\0|\ufffd\ufffd\ufffd").fill_null(value=False)
                for name in names
            )
        )
        numbers = pl.int_range(pl.len(), dtype=pl.Int64) + row_number + 1
        return texts.select(
            numbers.alias("row_number"),
            pl.struct(pl.all()).struct.json_encode().alias("raw"),
            pl.when(is_bad).then(pl.lit(str(RowReason.BAD_ENCODING))).alias("framing"),
            *(pl.col(name).alias(column) for name, column in names.items()),
            *(
                pl.lit(None, pl.String).alias(column)
                for column in self._layout.columns
                if column not in self.header.positions
            ),
        )

    def _written_as_text(self, names: Mapping[str, str]) -> list[pl.Expr]:
        """Numbers of amounts with the decimal sign of text, so that text means one thing only."""
        sign = self._layout.number_decimal
        return [
            pl.col(name).str.replace(".", sign, literal=True)
            for name, column in names.items()
            if sign != "." and column in self._layout.amounts and _is_number(self._fields[name])
        ]

    def _refuse_repeated_names(self) -> None:
        counts = Counter(self._file.schema_arrow.names)
        repeated = [name for name, count in counts.items() if count > 1]
        if repeated:
            raise FileRefusedError(
                f"{self._name} has column {mask_card_numbers(repeated[0])} twice, so nothing was ingested: "
                "keep the one that is meant."
            )

    def _refuse_floating_point(self) -> None:
        names = list(self._fields)
        for column in self._layout.amounts & self.header.positions.keys():
            name = names[self.header.positions[column]]
            if pa.types.is_floating(self._fields[name]):
                raise FileRefusedError(
                    f"Column {name} of {self._name} holds money as floating point, which has lost "
                    "its exact digits, so nothing was ingested: write decimals or text."
                )


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_decimal(kind) or pa.types.is_integer(kind))


def _flat_fields(schema: pa.Schema) -> dict[str, pa.DataType]:
    fields: dict[str, pa.DataType] = {}
    for field in schema:
        if _is_nested_method(field):
            fields[field.name] = field.type.field("type").type
            fields.setdefault("provider", pa.string())
        else:
            fields[field.name] = field.type
    return fields


def _flattened(table: pa.Table) -> pa.Table:
    for index, field in enumerate(table.schema):
        if _is_nested_method(field):
            values = table.column(index).combine_chunks()
            table = table.set_column(index, field.name, values.field("type"))
            if "provider" not in table.column_names and field.type.get_field_index("provider") >= 0:
                table = table.append_column("provider", values.field("provider"))
            elif "provider" not in table.column_names:
                table = table.append_column("provider", pa.nulls(table.num_rows, pa.string()))
    return table


def _is_nested_method(field: pa.Field) -> bool:
    is_method = field.name.replace("_", "").lower() == "paymentmethod"
    is_struct = bool(is_method and pa.types.is_struct(field.type))
    return is_struct and bool(field.type.get_field_index("type") >= 0)


def _text(column: pa.ChunkedArray) -> pl.Series:
    kind = column.type
    if pa.types.is_timestamp(kind):
        return _instants(column)
    if pa.types.is_decimal(kind):
        return _decimals(column)
    if pa.types.is_nested(kind):
        return pl.Series([_json(value) for value in column.to_pylist()], dtype=pl.String)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        return _decoded(column)
    return pl.Series(column.cast(pa.string()).to_pylist(), dtype=pl.String)


def _decoded(column: pa.ChunkedArray) -> pl.Series:
    """Bytes that are not UTF-8 are marked by three replacement characters."""
    values = column.cast(pa.large_binary()).to_pylist()
    return pl.Series([_decode(value) for value in values], dtype=pl.String)


def _decode(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode(errors="replace") + "\ufffd\ufffd\ufffd"


def _instants(column: pa.ChunkedArray) -> pl.Series:
    """Instants in UTC, whatever zone the column is displayed in; its name may be unknown here."""
    zone, offset = ("UTC", "Z") if column.type.tz else (None, "")
    # Nanoseconds are truncated to microseconds; instants outside the range of microseconds are refused.
    instants = column.cast(pa.timestamp("us", zone), safe=column.type.unit != "ns")
    return pl.Series(instants).dt.strftime(f"%Y-%m-%dT%H:%M:%S%.6f{offset}")


def _decimals(column: pa.ChunkedArray) -> pl.Series:
    """Digits without an exponent and without last zeros: their number is that of the whole column.

    A column of several currencies has as many as the currency with the most of them.
    """
    if pa.types.is_decimal128(column.type) and column.type.scale >= 0:
        texts = pl.Series(column).cast(pl.String)
    else:
        values = (None if value is None else f"{value:f}" for value in column.to_pylist())
        texts = pl.Series(list(values), dtype=pl.String)
    return texts.str.replace(r"\.0*$|(\.[0-9]*[1-9])0+$", "${1}")


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, default=str, ensure_ascii=False)
