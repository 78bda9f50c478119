"""`cardops demo`: one day of card operations, from input files to reconciled books, verified."""

import sys
from typing import Annotated

import typer
from rich.console import Console

from cardops.settings import Settings
from orchestration.cli.output import DONE_WITH_FINDINGS, JsonOption, print_json
from orchestration.demo.services import outside_processes
from orchestration.demo.show import ShownProgress, as_json, show
from simulation.generator import DEFAULT_ROWS

MAX_DEMO_ROWS = 200_000

app = typer.Typer()


@app.command()
def demo(
    *,
    rows: Annotated[
        int, typer.Option(min=1, max=MAX_DEMO_ROWS, help="Number of deposits; 50000 is full size.")
    ] = DEFAULT_ROWS,
    json_output: JsonOption = False,
) -> None:
    """Run one day of card operations end to end and compare every figure with the expected one.

    A second run credits and delivers nothing twice. The exit code is 0 only if every figure matches.
    """
    # Bound now: standard error is redirected while dbt runs.
    progress = ShownProgress(Console(file=sys.stderr))
    settings = Settings.load()
    # They start while Dagster is imported and the day is generated.
    with outside_processes(settings) as processes:
        from orchestration.demo.steps import run_demo  # noqa: PLC0415 - Dagster costs seconds

        result = run_demo(settings, rows, processes, progress)
    progress.end()
    if json_output:
        print_json(as_json(result))
    else:
        show(result, Console())
    if result.differences:
        raise typer.Exit(DONE_WITH_FINDINGS)
