"""`cardops demo`: one day of card operations, from files to reconciled books, proved by its truth."""

import sys
from typing import Annotated

import typer
from rich.console import Console

from cardops.settings import Settings
from orchestration.cli.output import DONE_WITH_FINDINGS, JsonOption, print_json
from orchestration.demo.show import ShownProgress, as_json, show
from simulation.generator import DEFAULT_ROWS

MAX_DEMO_ROWS = 200_000

app = typer.Typer()


@app.command()
def demo(
    *,
    rows: Annotated[
        int, typer.Option(min=1, max=MAX_DEMO_ROWS, help="Deposits of the day; 50000 is full size.")
    ] = DEFAULT_ROWS,
    json_output: JsonOption = False,
) -> None:
    """Run one day of card operations, end to end, and compare every figure with the truth.

    Run again, it credits nothing twice and delivers nothing twice. Exit code 0 only where
    everything agrees.
    """
    # This very stream: what dbt says is led elsewhere meanwhile.
    progress = ShownProgress(Console(file=sys.stderr))
    from orchestration.demo.steps import run_demo  # noqa: PLC0415 - Dagster costs seconds

    result = run_demo(Settings.load(), rows, progress)
    progress.end()
    if json_output:
        print_json(as_json(result))
    else:
        show(result, Console())
    if result.differences:
        raise typer.Exit(DONE_WITH_FINDINGS)
