"""`cardops sql`: one read-only query to the published marts, or to the live database."""

from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Any, Final

import typer

from cardops.bootstrap import Adapters
from cardops.settings import Settings
from orchestration.cli.output import JsonOption, print_json, say

DEFAULT_LIMIT: Final = 10_000

app = typer.Typer()
Rows = list[tuple[Any, ...]]


@app.command()
def sql(
    query: Annotated[
        str, typer.Argument(help="A SQL query in DuckDB's dialect; in PostgreSQL's with --live.")
    ],
    *,
    live: Annotated[
        bool,
        typer.Option("--live", help="Query the PostgreSQL database of balances and decisions."),
    ] = False,
    limit: Annotated[
        int, typer.Option(min=1, help="Highest number of rows to print.")
    ] = DEFAULT_LIMIT,
    json_output: JsonOption = False,
) -> None:
    """Run a read-only query on the published marts, or on the live database."""
    adapters = Adapters(Settings.load())
    run = adapters.query_live if live else adapters.query_marts
    columns, rows = run(query, limit + 1)
    is_cut = len(rows) > limit
    if is_cut:
        say(f"Only the first {limit} rows are shown; --limit N shows more.")
    rows = rows[:limit]
    if json_output:
        objects = [dict(zip(columns, row, strict=True)) for row in rows]
        print_json({"columns": columns, "rows": objects, "is_cut": is_cut})
    else:
        typer.echo(_table(columns, rows))


def _table(columns: Sequence[str], rows: Rows) -> str:
    """Columns under their names, as wide as their widest value."""
    lines = [columns, *([_shown(value) for value in row] for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    ruled = [lines[0], ["-" * width for width in widths], *islice(lines, 1, None)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in ruled
    )


def _shown(value: Any) -> str:
    return "" if value is None else str(value)
