"""A query's rows as one Parquet file: COPY to CSV, one row group at a time, in bounded memory."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Final

import polars as pl
import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from psycopg import sql

from cardops.contracts.lake.transaction_log import COLUMNS

ROW_GROUP_ROWS: Final = 100_000


def write_log(
    session: psycopg.Connection, query: sql.Composed, target: Path, columns: pl.Schema = COLUMNS
) -> tuple[int, str]:
    """Write the query's rows, which have these columns; (row count, SHA-256 of the file)."""
    schema = _arrow_schema(columns)
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:

        def write(chunk: bytes) -> int:
            table = _parse(chunk, schema)
            writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
            return int(table.num_rows)

        row_count = _written_beside(_chunks(session, query), write)
    return row_count, _sha256(target)


def _written_beside(chunks: Iterator[bytes], write: Callable[[bytes], int]) -> int:
    """Write each chunk, in order, while the next is received; at most two are in memory."""
    row_count = 0
    with ThreadPoolExecutor(max_workers=1) as worker:
        writing: Future[int] | None = None
        for chunk in chunks:
            if writing is not None:
                row_count += writing.result()
            writing = worker.submit(write, chunk)
        return row_count if writing is None else row_count + writing.result()


def _chunks(session: psycopg.Connection, query: sql.Composed) -> Iterator[bytes]:
    copy_out = sql.SQL("copy ({}) to stdout (format csv)").format(query)
    with session.cursor().copy(copy_out) as copy:
        # The server sends one message per row, so the same rows always make the same row groups.
        rows = iter(copy)
        while chunk := b"".join(islice(rows, ROW_GROUP_ROWS)):
            yield chunk


def _parse(chunk: bytes, schema: pa.Schema) -> pa.Table:
    return pa_csv.read_csv(
        pa.BufferReader(chunk),
        read_options=pa_csv.ReadOptions(column_names=schema.names),
        # Quoted texts may hold line ends.
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )


def _arrow_schema(columns: pl.Schema) -> pa.Schema:
    """The contract's columns in Arrow; with plain strings, which every reader supports."""
    schema = columns.to_frame().to_arrow().schema
    large = pa.large_string()
    return pa.schema(
        [
            field.with_type(pa.string()) if field.type in {large, pa.string_view()} else field
            for field in schema
        ]
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
