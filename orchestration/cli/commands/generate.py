"""`cardops generate`: a day of input files and their expected results. Loads no Dagster."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestration.cli.output import CommandError, JsonOption, print_json, say
from simulation.generator import (
    DEFAULT_HISTORY_END,
    DEFAULT_ROWS,
    DEFAULT_SEED,
    MAX_ROWS,
    generate,
)

app = typer.Typer()


@app.command("generate")
def generate_command(
    *,
    out: Annotated[
        Path, typer.Option(help="Folder to write to; files of an earlier day in it are replaced.")
    ],
    rows: Annotated[
        int, typer.Option(min=1, max=MAX_ROWS, help="Number of valid deposits.")
    ] = DEFAULT_ROWS,
    seed: Annotated[
        int, typer.Option(help="Random seed; the same seed gives the same files.")
    ] = DEFAULT_SEED,
    history_end: Annotated[
        datetime | None,
        typer.Option(
            "--date",
            formats=["%Y-%m-%d"],
            help=f"Last day of the history; {DEFAULT_HISTORY_END} by default.",
        ),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Write input files, authorization requests, and truth.json with the expected results."""
    last = history_end.date() if history_end else DEFAULT_HISTORY_END
    check_not_ahead(last)
    truth = generate(rows, seed, last, out)
    if json_output:
        print_json(summary(truth, out))
        return
    for path in truth["submission_order"]:
        counts = truth["files"][path]
        say(
            f"{path}: {counts['read']} rows, {counts['accepted']} valid, "
            f"{counts['duplicate']} duplicate, {counts['quarantined']} invalid"
        )
    typer.echo(f"{out / 'truth.json'} has the expected results.")


def check_not_ahead(last: date) -> None:
    """Raises CommandError where valid rows would be quarantined because they are in the future."""
    today = datetime.now().astimezone().date()
    if last > today:
        raise CommandError(
            f"--date must not be after today ({today}): rows in the future would be quarantined."
        )


def summary(truth: dict[str, Any], out: Path) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "out": str(out),
        "truth": str(out / "truth.json"),
        "rows": truth["rows"],
        "seed": truth["seed"],
        "date": truth["history_end"],
        "submission_order": truth["submission_order"],
        "kinds": truth["kinds"],
        "requests": truth["authorizations"]["requests"],
    }
