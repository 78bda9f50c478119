"""`cardops sql`: one question to the published marts, or to the live database. Read-only."""

from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Any, Final

import duckdb
import typer

from cardops.adapters.postgresql.connection import connect_info
from cardops.adapters.postgresql.read_only_query import QueryRefusedError, run_read_only_query
from cardops.adapters.warehouse.duckdb_warehouse import open_published
from cardops.settings import Settings
from orchestration.cli.output import CommandError, JsonOption, print_json, say

DEFAULT_LIMIT: Final = 10_000

app = typer.Typer()
Rows = list[tuple[Any, ...]]


@app.command()
def sql(
    query: Annotated[
        str, typer.Argument(help="SQL in DuckDB's dialect (PostgreSQL's with --live).")
    ],
    *,
    live: Annotated[
        bool,
        typer.Option("--live", help="Ask the database of balances and decisions (PostgreSQL)."),
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="Print at most so many rows.")] = DEFAULT_LIMIT,
    json_output: JsonOption = False,
) -> None:
    """Ask the published marts, or the live database."""
    columns, rows = _ask_live(query, limit + 1) if live else _ask(query, limit + 1)
    is_cut = len(rows) > limit
    if is_cut:
        say(f"Only the first {limit} rows are shown; --limit N shows more.")
    rows = rows[:limit]
    if json_output:
        objects = [dict(zip(columns, row, strict=True)) for row in rows]
        print_json({"columns": columns, "rows": objects, "is_cut": is_cut})
    else:
        typer.echo(_table(columns, rows))


def _ask(query: str, max_rows: int) -> tuple[list[str], Rows]:
    """Column names and rows of the last statement. Raises CommandError with DuckDB's words."""
    with open_published(Settings.load().home) as session:
        try:
            response = session.execute(query)
            return [column[0] for column in response.description or []], response.fetchmany(
                max_rows
            )
        except duckdb.Error as error:
            said = " ".join(str(error).split())
            raise CommandError(f"The query was not answered: {said}") from None


def _ask_live(query: str, max_rows: int) -> tuple[list[str], Rows]:
    """The same of PostgreSQL. Raises CommandError with its words."""
    try:
        return run_read_only_query(connect_info(Settings.load()).url, query, max_rows)
    except QueryRefusedError as error:
        raise CommandError(f"The query was not answered: {error}") from None


def _table(columns: Sequence[str], rows: Rows) -> str:
    """Columns under their names, as wide as their widest value."""
    lines = [columns, *([_shown(value) for value in row] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    ruled = [lines[0], ["-" * width for width in widths], *islice(lines, 1, None)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in ruled
    )


def _shown(value: Any) -> str:
    return "" if value is None else str(value)
