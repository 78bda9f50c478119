"""`cardops generate`: a day of input files with its known truth. Loads no Dagster."""

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
    out: Annotated[Path, typer.Option(help="Folder to write into; files of a day are replaced.")],
    rows: Annotated[
        int, typer.Option(min=1, max=MAX_ROWS, help="Deposits that are to be credited.")
    ] = DEFAULT_ROWS,
    seed: Annotated[int, typer.Option(help="Another seed is another day.")] = DEFAULT_SEED,
    history_end: Annotated[
        datetime | None,
        typer.Option(
            "--date", formats=["%Y-%m-%d"], help=f"Last day; {DEFAULT_HISTORY_END} unless given."
        ),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Write DIR/<kind>/* and DIR/authorizations/requests.ndjson, and DIR/truth.json about them."""
    last = history_end.date() if history_end else DEFAULT_HISTORY_END
    check_not_ahead(last)
    told = generate(rows, seed, last, out)
    if json_output:
        print_json(summary(told, out))
        return
    for path in told["submission_order"]:
        counts = told["files"][path]
        say(
            f"{path}: {counts['read']} rows, {counts['accepted']} to accept, "
            f"{counts['duplicate']} duplicate, {counts['quarantined']} to quarantine"
        )
    typer.echo(f"{out / 'truth.json'} says what must become of them.")


def check_not_ahead(last: date) -> None:
    """Raises CommandError where good rows would be quarantined as lying in the future."""
    today = datetime.now().astimezone().date()
    if last > today:
        raise CommandError(
            f"The day may not end after today ({today}): its rows would lie in the future."
        )


def summary(told: dict[str, Any], out: Path) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "out": str(out),
        "truth": str(out / "truth.json"),
        "rows": told["rows"],
        "seed": told["seed"],
        "date": told["history_end"],
        "submission_order": told["submission_order"],
        "kinds": told["kinds"],
        "requests": told["authorizations"]["requests"],
    }
