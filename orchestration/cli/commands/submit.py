"""`cardops submit FILE --kind …`: take a file in, wait, and say what became of each row."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cardops.rules.intake.files import DEFAULT_PROGRAM, Kind
from orchestration.cli.output import (
    DONE,
    DONE_WITH_FINDINGS,
    NOT_POSSIBLE,
    CommandError,
    JsonOption,
    print_json,
    say,
)

app = typer.Typer()


class Mode(StrEnum):
    """How a chargeback batch is split into at most four files."""

    BY_NETWORK = "by_network"
    SIZE_BALANCED = "size_balanced"


@app.command()
def submit(
    file: Annotated[Path, typer.Argument(help="CSV, JSON, NDJSON or Parquet, plain or .gz.")],
    kind: Annotated[Kind, typer.Option(help="What its rows are.")],
    program: Annotated[str, typer.Option(help="The card program it belongs to.")] = DEFAULT_PROGRAM,
    mode: Annotated[Mode | None, typer.Option(help="How its chargebacks are split.")] = None,
    *,
    json_output: JsonOption = False,
) -> None:
    """Take a file in, wait, and say what became of each row.

    Exit code 0: all rows accepted or duplicate; 1: some were quarantined; 2: refused.
    """
    if not file.is_file():
        raise CommandError(f"There is no file {file}; check the path.")
    if mode is not None and kind is not Kind.CHARGEBACKS:
        raise CommandError("--mode is for chargebacks alone; leave it out for other kinds.")
    from cardops.settings import Settings  # noqa: PLC0415 - --help need not load it
    from orchestration.cli.submitting import Submission, Submitter  # noqa: PLC0415 - loads Dagster

    submission = Submission(file, kind, program, mode and mode.value)
    try:
        response = Submitter(Settings.load()).submit(submission)
    except KeyboardInterrupt:
        say(
            "Interrupted: the file may have been taken in, wholly or not yet. Submit it again to "
            "see it through, no row counts twice; `cardops deposits recall` takes deposits back."
        )
        raise
    if json_output:
        print_json(response)
    else:
        show(response)
    raise typer.Exit(exit_code(response))


def exit_code(response: Mapping[str, Any]) -> int:
    """2 for a refused file, 1 where something is left to look at, else 0."""
    if response["status"] == "refused":
        return NOT_POSSIBLE
    undelivered = any(not one["delivered"] for one in response.get("files", ()))
    findings = response["quarantined"] or undelivered or response.get("failed_checks")
    return DONE_WITH_FINDINGS if findings else DONE


def show(response: Mapping[str, Any]) -> None:
    """The answer for a person."""
    if response["error"]:
        typer.echo(f"Refused: {response['error']}")
        return
    _show_counts(response)
    for one in response.get("files", ()):
        where = one["remote_path"] if one["delivered"] else "NOT DELIVERED"
        typer.echo(f"{one['network']}: {one['rows']} rows -> {where}")
    if response["quarantine"]:
        typer.echo(f"Quarantined rows: {response['quarantine']}")
    typer.echo(f"Run {response['run_id']}, {response['seconds']} s")
    for one in response.get("released", ()):
        typer.echo("Rows that had waited for this file were taken in:")
        show(one)


def _show_counts(response: Mapping[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415 - for people alone
    from rich.table import Table  # noqa: PLC0415 - for people alone

    table = Table(title=f"{response['file']} ({response['kind']})", title_justify="left")
    for heading in ("rows", "count"):
        table.add_column(heading, justify="right" if heading == "count" else "left")
    for name in ("read", "accepted", "duplicate", "quarantined"):
        table.add_row(name, str(response[name]))
    for heading in ("reasons", "flags"):
        for code, rows in response[heading].items():
            table.add_row(f"  {code}", str(rows))
    Console().print(table)
