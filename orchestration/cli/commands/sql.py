"""`cardops sql`: one read-only query to the published marts, or to the live database."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cardops.bootstrap import Adapters
from cardops.settings import Settings
from orchestration.cli.output import CommandError, JsonOption, print_json, say
from orchestration.cli.query_output import (
    Row,
    as_objects,
    as_table,
    replaced_whole,
    write_csv,
)

if TYPE_CHECKING:
    import pyarrow as pa

DEFAULT_LIMIT: Final = 10_000
DEFAULT_TIMEOUT_SECONDS: Final = 600.0
FORMATS: Final = (".csv", ".json", ".parquet")

app = typer.Typer()


class Result:
    """What a query found: the names of its columns and its rows, to be read once."""

    def __init__(self, columns: list[str], rows: Iterable[Row]) -> None:
        self.columns = columns
        self.is_cut = False
        self._rows = iter(rows)

    def rows(self, limit: int | None) -> Iterator[Row]:
        """At most so many rows; a result that has more is told to the person, and marked as cut."""
        yield from islice(self._rows, limit)
        if limit is not None and next(self._rows, None) is not None:
            self.is_cut = True
            say(f"Only the first {limit} rows are shown; --limit N shows more.")


@app.command()
def sql(  # noqa: PLR0913 - one parameter an option
    query: Annotated[
        str,
        typer.Argument(
            help="A SQL query in DuckDB's dialect; in PostgreSQL's with --live. With --tables, the "
            "name of one mart."
        ),
    ] = "",
    *,
    live: Annotated[
        bool,
        typer.Option("--live", help="Query the PostgreSQL database of balances and decisions."),
    ] = False,
    tables: Annotated[
        bool, typer.Option("--tables", help="List the marts, their columns and what they mean.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"Highest number of rows; without it {DEFAULT_LIMIT} are printed, and a CSV or file "
            "of marts has all.",
        ),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(min=0.1, help="Seconds after which a query to the marts is stopped."),
    ] = DEFAULT_TIMEOUT_SECONDS,
    csv_output: Annotated[bool, typer.Option("--csv", help="Print the rows as CSV.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write the rows to this file; its ending says how: .csv, .json, .parquet."
        ),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Run a read-only query on the published marts, or on the live database."""
    _refuse_wrong_use(query, tables=tables, live=live, formats=(csv_output, json_output), out=out)
    adapters = Adapters(Settings.load())
    if tables:
        _print_marts(adapters, query, timeout, json_output=json_output)
        return
    if limit is None and (live or not (csv_output or out)):
        limit = DEFAULT_LIMIT
    if out is not None and out.suffix == ".parquet":
        _write_parquet(adapters, query, timeout, limit, out)
        return
    with _result(adapters, query, live=live, timeout=timeout, limit=limit) as result:
        if out is not None:
            _write(result, out, limit)
            say(f"Written to {out}.")
        elif csv_output:
            write_csv(sys.stdout, result.columns, result.rows(limit))
        elif json_output:
            print_json(_object(result, limit))
        else:
            typer.echo(as_table(result.columns, result.rows(limit)))


def _refuse_wrong_use(
    query: str, *, tables: bool, live: bool, formats: tuple[bool, bool], out: Path | None
) -> None:
    if not query and not tables:
        raise CommandError("There is no query; pass one, or --tables to see what there is.")
    if tables and (live or out or formats[0]):
        raise CommandError("--tables lists the marts, as text or with --json; leave out the rest.")
    if sum(formats) + (out is not None) > 1:
        raise CommandError("A result has one form; pass one of --json, --csv and --out.")
    if out is not None and out.suffix not in FORMATS:
        raise CommandError(
            f"{out.name} says no format; end it in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}."
        )
    if out is not None and live and out.suffix == ".parquet":
        raise CommandError("Parquet is written of marts alone; end the file in .csv or .json.")


@contextmanager
def _result(
    adapters: Adapters, query: str, *, live: bool, timeout: float, limit: int | None
) -> Iterator[Result]:
    if live:
        # One row more says whether there are more; the database bounds the time.
        yield Result(*adapters.query_live(query, (limit or DEFAULT_LIMIT) + 1))
        return
    with adapters.published_marts(timeout) as marts:
        found = marts.run(query)
        yield Result(found.columns, (row for rows in found.batches() for row in rows))


def _object(result: Result, limit: int | None) -> dict[str, Any]:
    rows = as_objects(result.columns, result.rows(limit))
    return {"columns": result.columns, "rows": rows, "is_cut": result.is_cut}


def _write(result: Result, path: Path, limit: int | None) -> None:
    with replaced_whole(path) as unfinished, unfinished.open("w", newline="") as file:
        if path.suffix == ".csv":
            write_csv(file, result.columns, result.rows(limit))
        else:
            json.dump(_object(result, limit), file, ensure_ascii=False)


def _write_parquet(
    adapters: Adapters, query: str, timeout: float, limit: int | None, path: Path
) -> None:
    import pyarrow.parquet as pq  # noqa: PLC0415 - costs a second

    with adapters.published_marts(timeout) as marts, replaced_whole(path) as unfinished:
        batches = marts.run_for_arrow(query)
        with pq.ParquetWriter(unfinished, batches.schema, compression="zstd") as writer:
            for batch in _within(limit, batches):
                writer.write_batch(batch)
    say(f"Written to {path}.")


def _within(limit: int | None, batches: "pa.RecordBatchReader") -> "Iterator[pa.RecordBatch]":
    left = limit
    for batch in batches:
        yield batch.slice(0, left)
        if left is not None and left < batch.num_rows:
            say(f"Only the first {limit} rows are written; --limit N writes more.")
            return
        left = None if left is None else left - batch.num_rows


def _print_marts(adapters: Adapters, name: str, timeout: float, *, json_output: bool) -> None:
    with adapters.published_marts(timeout) as published:
        marts = [
            mart for mart in published.marts() if mart.name == (name or mart.name).split(".")[-1]
        ]
    if not marts:
        raise CommandError(f"There is no mart {name}; --tables without a name lists them.")
    if json_output:
        print_json({"marts": [asdict(mart) for mart in marts]})
        return
    for mart in marts:
        typer.echo(f"{mart.name} ({mart.row_count} rows)\n    {mart.description}")
        if name:
            rows = [(column.name, column.type, column.description) for column in mart.columns]
            typer.echo("\n" + as_table(("column", "type", "description"), rows))
