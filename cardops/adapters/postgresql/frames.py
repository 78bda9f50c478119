"""Query results as polars frames: COPY's CSV rows are joined to chunks and parsed by polars."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

import polars as pl
import psycopg
from psycopg import sql

CHUNK_ROWS: Final = 100_000


def stream_frames(
    session: psycopg.Connection, query: sql.Composed, schema: pl.Schema
) -> Iterator[pl.DataFrame]:
    """The query's rows from one snapshot, CHUNK_ROWS at a time. No frame is empty."""
    with session.cursor().copy(sql.SQL("copy ({}) to stdout (format csv)").format(query)) as copy:
        # The server sends one message per row, so the same rows always make the same chunks.
        rows = iter(copy)
        while chunk := b"".join(islice(rows, CHUNK_ROWS)):
            yield pl.read_csv(chunk, has_header=False, schema=schema)


def read_frame(session: psycopg.Connection, query: sql.Composed, schema: pl.Schema) -> pl.DataFrame:
    """All rows in one frame."""
    frames: Sequence[pl.DataFrame] = list(stream_frames(session, query, schema))
    return pl.concat(frames) if frames else pl.DataFrame(schema=schema)
