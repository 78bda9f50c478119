"""A query's rows as one Parquet file, one row group at a time, in bounded memory.

Belongs here: the two ways in which rows are received, and the file that both write, byte for byte the
same. `export_log` is the fast one, with a session of its own: COPY BINARY, decoded into Arrow by a
library. `write_log` reads in a session that somebody else has: COPY to CSV.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

import polars as pl
import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from psycopg import sql

from cardops.adapters.postgresql.arrow_sessions import arrow_session
from cardops.contracts.lake.transaction_log import COLUMNS

Chunk = TypeVar("Chunk")

ROW_GROUP_ROWS: Final = 100_000
# Values of these columns repeat or grow by steps: half the work of writing them, and a third of the bytes.
_LOG_ENCODINGS: Final[Mapping[str, Any]] = {
    "use_dictionary": [
        "program", "kind", "user_id", "currency", "status", "reason_code", "merchant_id", "channel",
    ],
    "column_encoding": {
        "ledger_seq": "DELTA_BINARY_PACKED", "occurred_at": "DELTA_BINARY_PACKED",
    },
}  # fmt: skip
_ONE_SNAPSHOT: Final = "set transaction isolation level repeatable read, read only"


@dataclass(frozen=True, slots=True)
class WrittenLog:
    """A snapshot's rows in a file. `oldest_open`: the oldest transaction id open then, or the next."""

    row_count: int
    content_sha256: str
    read_at: datetime
    oldest_open: int


def export_log(url: str, query: sql.Composed, target: Path) -> WrittenLog:
    """Write the query's rows, which have the log's columns, from one snapshot."""
    schema = _arrow_schema(COLUMNS)
    with arrow_session(url) as session:
        session.execute(_ONE_SNAPSHOT)  # guard: one-snapshot
        session.execute("select now(), pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        snapshot = session.fetchone()
        if snapshot is None:
            raise LookupError("the database returned no snapshot of its transaction ids")
        session.execute(query.as_string())
        groups = _row_groups(session.fetch_record_batch(), schema)
        row_count = _write(groups, lambda group: group, target, schema)
    return WrittenLog(row_count, _sha256(target), *snapshot)


def write_log(
    session: psycopg.Connection, query: sql.Composed, target: Path, columns: pl.Schema = COLUMNS
) -> tuple[int, str]:
    """Write the query's rows, which have these columns; (row count, SHA-256 of the file)."""
    schema = _arrow_schema(columns)
    chunks = _chunks(session, query)
    row_count = _write(chunks, lambda chunk: _parse(chunk, schema), target, schema)
    return row_count, _sha256(target)


def _write(
    chunks: Iterator[Chunk], parse: Callable[[Chunk], pa.Table], target: Path, schema: pa.Schema
) -> int:
    """Write each chunk as a row group, in order, while the next is received; at most two are in memory."""
    encodings = _LOG_ENCODINGS if schema.names == list(COLUMNS) else {}
    row_count = 0
    with (
        pq.ParquetWriter(target, schema, compression="zstd", **encodings) as writer,
        ThreadPoolExecutor(max_workers=1) as worker,
    ):

        def write(chunk: Chunk) -> int:
            # In one piece, because pages end where pieces do.
            table = parse(chunk).combine_chunks()
            writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
            return int(table.num_rows)

        writing: Future[int] | None = None
        for chunk in chunks:
            if writing is not None:
                row_count += writing.result()
            writing = worker.submit(write, chunk)
        return row_count if writing is None else row_count + writing.result()


def _row_groups(batches: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows in groups that are all full but the last, whatever batches they came in."""
    waiting = schema.empty_table()
    for batch in batches:
        waiting = pa.concat_tables([waiting, pa.Table.from_batches([batch]).cast(schema)])
        while waiting.num_rows >= ROW_GROUP_ROWS:
            yield waiting.slice(0, ROW_GROUP_ROWS)
            waiting = waiting.slice(ROW_GROUP_ROWS)
    if waiting.num_rows:
        yield waiting


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
